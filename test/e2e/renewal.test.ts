/**
 * Daemons whose certificates are renewed while a visitor streams on, on every engine that is there:
 * what new connections see, and that nothing else notices.
 */
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  bundleFile,
  certificate,
  certificateFile,
  keyFile,
  type LeafName,
  rootFile,
} from '../helpers/certificates.ts';
import { type Daemon, logLine, logRecords, startWarren } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor, echoes } from '../helpers/program-visitor.ts';
import { RUST } from '../helpers/rust-binding.ts';

const ENGINES = RUST === undefined ? ['typescript'] : ['typescript', 'rust'];
const resources = new Resources();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warren-renewal-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
});
afterEach(() => resources.close());

const inFolder = (name: string): string => join(folder, name);

function place(name: LeafName): void {
  copyFileSync(certificateFile(name), inFolder('c.pem'));
  copyFileSync(keyFile(name), inFolder('c.key'));
}

interface Running {
  readonly server: Daemon;
  readonly client: Daemon;
  readonly tunnelPort: number;
  readonly port: number;
  readonly visitor: EchoVisitor;
}

async function start(engine: string): Promise<Running> {
  place('ecdsa');
  copyFileSync(bundleFile(), inFolder('roots.pem'));
  const tunnelPort = await freePort();
  const local = await startLocalTcp(resources);
  writeFileSync(
    inFolder('server.toml'),
    `[server]\nbind_addr = "127.0.0.1:${tunnelPort}"\ndefault_token = "t"
transport = { type = "tls", tls = { cert = "c.pem", key = "c.key" } }
services.web = { bind_addr = "127.0.0.1:0" }\n`,
  );
  writeFileSync(
    inFolder('client.toml'),
    `[client]\nremote_addr = "127.0.0.1:${tunnelPort}"\ndefault_token = "t"
transport = { type = "tls", tls = { trusted_root = "roots.pem" } }
services.web = { local_addr = "127.0.0.1:${local.port}" }\n`,
  );
  const env = { WARREN_ENGINE: engine };
  const server = startWarren(resources, 'server', inFolder('server.toml'), { env });
  await server.waitFor('ready', logLine('warren ready'));
  const client = startWarren(resources, 'client', inFolder('client.toml'), { env });
  const bound = await server.waitFor('the service', logLine('service bound'));
  const port = Number(String(bound['address']).split(':').at(-1));
  return { server, client, tunnelPort, port, visitor: await EchoVisitor.open(resources, port) };
}

/** Whose certificate a new connection sees. */
async function shown(port: number): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

/** The session has lasted, and the visitor too. */
async function expectUndisturbed({ server, client, visitor }: Running): Promise<void> {
  await visitor.ping();
  await visitor.finish();
  expect(logRecords(server, 'client disconnected')).toEqual([]);
  expect(logRecords(client, 'service disconnected')).toEqual([]);
  expect(logRecords(server, 'fault in the engine, please report it')).toEqual([]);
}

describe.each(ENGINES)('%s', (engine) => {
  test('a server shows the renewed certificate, and the last good one while it is broken', async () => {
    const running = await start(engine);
    const { server, tunnelPort, port } = running;
    expect(await shown(tunnelPort)).toBe(certificate('ecdsa').fingerprint256);
    const mark = server.mark;
    copyFileSync(certificateFile('rsa'), inFolder('c.pem'));
    await server.waitFor('the error', logLine('configuration error'), mark);
    expect(await shown(tunnelPort)).toBe(certificate('ecdsa').fingerprint256);
    copyFileSync(keyFile('rsa'), inFolder('c.key'));
    await server.waitFor('the renewal', logLine('configuration applied'), mark);
    expect(await shown(tunnelPort)).toBe(certificate('rsa').fingerprint256);
    // Channels for new visitors are dialled by the client under the new certificate.
    await until('a new visitor', () => echoes(port));
    await expectUndisturbed(running);
  });

  test('a client trusts whom the renewed file names, from then on', async () => {
    const running = await start(engine);
    const { client, port } = running;
    const mark = client.mark;
    copyFileSync(rootFile(), inFolder('roots.pem'));
    await client.waitFor('the renewal', logLine('configuration applied'), mark);
    await until('a new visitor', () => echoes(port));
    await expectUndisturbed(running);
  });
});
