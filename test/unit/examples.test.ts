/** What users copy must work: every example file. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type LoadedConfig, loadConfig } from '../../ts/config/load.ts';
import { readWholeFile } from '../../ts/config/sources.ts';
import { certificateFile, keyFile, rootFile } from '../helpers/certificates.ts';
import { Resources } from '../helpers/process-resources.ts';
import { findProgram, temporaryFolder } from '../helpers/programs.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const EXAMPLES = join(ROOT, 'examples');
const LOW_PORTS = { name: 'warren-server.service', dropIn: 'low-ports.conf' };

function files(ending: string): string[] {
  const all = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => name.endsWith(ending)).toSorted();
}

/** The pair of wire-v1 4.3; an example's own keys are words that nobody can use by accident. */
const KEYS = {
  'PRIVATE-KEY-OF-THE-SERVER': 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=',
  'PUBLIC-KEY-OF-THE-SERVER': 'B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=',
};

/** Loads an example as if its certificates and keys were there. */
function loadExample(name: string): LoadedConfig {
  return loadConfig(join(EXAMPLES, name), { readFile: readExample });
}

function readExample(path: string): Uint8Array {
  if (path.endsWith('.key') || path.endsWith('privkey.pem')) {
    return readWholeFile(keyFile(path.includes('client') ? 'client' : 'ecdsa'));
  }
  if (path.endsWith('ca.pem')) return readWholeFile(rootFile());
  if (path.endsWith('.pem')) {
    return readWholeFile(certificateFile(path.includes('client') ? 'client' : 'ecdsa'));
  }
  if (basename(path) === 'token') return Buffer.from('a token\n');
  let text = readFileSync(path, 'utf8');
  for (const [word, key] of Object.entries(KEYS)) text = text.replace(word, key);
  return Buffer.from(text);
}

describe('examples', () => {
  it('there are some', () => {
    expect(files('.toml').length).toBeGreaterThanOrEqual(5);
    expect(files('.service')).toHaveLength(4);
  });

  it.each(files('.toml'))('%s is accepted without a warning', (name) => {
    const { config, warnings } = loadExample(name);
    expect(warnings).toEqual([]);
    const role = name.includes('server') ? 'server' : 'client';
    expect(config[role]?.services.size).toBeGreaterThan(0);
  });

  it.each([
    ...['minimal', 'udp', 'noise', 'tls', 'mutual-tls', 'websocket'].map((folder) => {
      return { folder, files: [`${folder}/server.toml`, `${folder}/client.toml`] as const };
    }),
    {
      folder: 'docker',
      files: ['docker/server/config/server.toml', 'docker/client/config/client.toml'] as const,
    },
  ])('$folder: both ends fit together', ({ folder, files }) => {
    const { server } = loadExample(files[0]).config;
    const { client } = loadExample(files[1]).config;
    // Behind a gateway the client has the gateway's port.
    const port = folder === 'websocket' ? 443 : server?.bindAddr.port;
    expect(client?.remoteAddr.port).toBe(port);
    expect(client?.transport.type).toBe(server?.transport.type);
    expect(client?.transport.noise?.pattern).toBe(server?.transport.noise?.pattern);
    expect(client?.transport.websocket?.path).toBe(server?.transport.websocket?.path);
    const facts = (services: NonNullable<typeof server | typeof client>['services']) =>
      [...services.values()].map(({ name, type, token }) => [name, type, token.reveal()]);
    expect(client && facts(client.services)).toEqual(server && facts(server.services));
  });

  it('a Noise example cannot run before it has keys of its own', () => {
    expect(() => loadConfig(join(EXAMPLES, 'noise', 'server.toml'))).toThrow('not a Noise key');
  });

  it.each(files('.service'))('%s starts the role that its name says', (name) => {
    const unit = readFileSync(join(EXAMPLES, name), 'utf8');
    const role = name.includes('server') ? 'server' : 'client';
    const file = name.includes('@') ? '%i' : role;
    expect(unit).toContain(`ExecStart=/usr/local/bin/warren --${role} /etc/warren/${file}.toml\n`);
    // All but that, and the first line, is the same in each.
    const rest = (text: string): string => text.replaceAll(/^(Description|ExecStart)=.*$/gm, '');
    expect(rest(unit)).toBe(rest(readFileSync(join(EXAMPLES, files('.service')[0] ?? ''), 'utf8')));
  });
});

/** A copy of a unit, with a program that is there, and perhaps a drop-in. */
function installed(resources: Resources, name: string, dropIn?: string): string {
  const folder = temporaryFolder(resources);
  const unit = readFileSync(join(EXAMPLES, 'systemd', name), 'utf8');
  const file = join(folder, name);
  writeFileSync(file, unit.replace('/usr/local/bin/warren', process.execPath));
  if (dropIn !== undefined) {
    mkdirSync(`${file}.d`);
    copyFileSync(join(EXAMPLES, 'systemd', dropIn), join(`${file}.d`, dropIn));
  }
  return file;
}

describe.skipIf(findProgram('systemd-analyze') === undefined)('systemd', () => {
  const resources = new Resources();
  afterEach(() => resources.close());
  const analyze = (...args: readonly string[]) =>
    spawnSync('systemd-analyze', ['--no-pager', ...args], { encoding: 'utf8' });
  const units = files('.service').map((name) => basename(name));

  it.each([...units.map((name) => ({ name, dropIn: undefined })), LOW_PORTS])(
    'calls $name little exposed, with drop-in $dropIn',
    ({ name, dropIn }) => {
      const file = installed(resources, name, dropIn);
      const { stdout } = analyze('security', '--offline=true', file);
      const exposure = Number(/exposure level for .*: ([\d.]+)/.exec(stdout)?.[1]);
      // systemd 252: 1.2, and 1.5 with the drop-in. What is left is the network and what Node needs.
      expect(exposure).toBeLessThanOrEqual(1.5);
    },
  );

  it.each([...units.map((name) => ({ name, dropIn: undefined })), LOW_PORTS])(
    'finds nothing wrong in $name, with drop-in $dropIn',
    ({ name, dropIn }) => {
      const { stderr, status } = analyze('verify', installed(resources, name, dropIn));
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    },
  );
});
