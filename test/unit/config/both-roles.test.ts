/** One file for both hosts: each has the certificates of its own section only. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../../ts/config/diagnostics.ts';
import { type LoadedConfig, loadConfig } from '../../../ts/config/load.ts';
import { type ConfigWatch, watchConfig } from '../../../ts/config/watch.ts';
import { certificateFile, keyFile, rootFile } from '../../helpers/certificates.ts';
import { until } from '../../helpers/until.ts';

const TEXT = `[server]
bind_addr = "h:1"
transport = { type = "tls", tls = { cert = "server.pem", key = "server.key" } }
[client]
remote_addr = "h:1"
transport = { type = "websocket", websocket.tls = true, tls = { trusted_root = "root.pem" } }
`;

let directory: string;
let path: string;
let watch: ConfigWatch | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'warren-both-'));
  path = join(directory, 'config.toml');
  writeFileSync(path, TEXT);
});

afterEach(() => {
  watch?.close();
  rmSync(directory, { recursive: true, force: true });
});

function faultyKeys(role?: 'server' | 'client'): string[] {
  try {
    loadConfig(path, { role });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.diagnostics.map(({ key }) => key);
  }
}

const place = (name: string, source: string): void => copyFileSync(source, join(directory, name));

function placeServer(): void {
  place('server.pem', certificateFile('ecdsa'));
  place('server.key', keyFile('ecdsa'));
}

test('each host needs the files of the section that it runs', () => {
  const ofServer = ['server.transport.tls.cert', 'server.transport.tls.key'];
  const ofClient = ['client.transport.tls.trusted_root'];
  expect(faultyKeys('server')).toEqual(ofServer);
  expect(faultyKeys('client')).toEqual(ofClient);
  expect(faultyKeys()).toEqual([...ofServer, ...ofClient]);
  place('root.pem', rootFile());
  expect(faultyKeys('client')).toEqual([]);
  expect(faultyKeys()).toEqual(ofServer);
});

test('what is not read is still known by its path, and trusts nobody', () => {
  placeServer();
  const { config, files } = loadConfig(path, { role: 'server' });
  expect(config.server?.transport.tls?.files.identities).toHaveLength(1);
  const { trustedRoot, files: read } = config.client?.transport.tls ?? {};
  expect(trustedRoot).toBe(join(directory, 'root.pem'));
  expect(read).toEqual({ identities: [], roots: [], digests: {} });
  expect(files).not.toContain(trustedRoot);
});

test('a reload asks for no more than the start', async () => {
  placeServer();
  const seen: LoadedConfig[] = [];
  const errors: ConfigError[] = [];
  const { files, hash } = loadConfig(path, { role: 'server' });
  watch = watchConfig(path, {
    files,
    hash,
    role: 'server',
    debounceMs: 20,
    onChange: (loaded) => seen.push(loaded),
    onError: (error) => errors.push(error),
  });
  writeFileSync(path, TEXT.replace('[server]', '[server]\nheartbeat_interval = 7'));
  watch.poke();
  await until(() => seen.length + errors.length > 0, 'the change');
  expect(errors).toEqual([]);
  expect(seen[0]?.config.server?.heartbeatIntervalMs).toBe(7_000);
});
