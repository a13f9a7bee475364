/** What users copy must work: every example file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type LoadedConfig, loadConfig } from '../../ts/config/load.ts';
import { readWholeFile } from '../../ts/config/sources.ts';
import { certificateFile, keyFile, rootFile } from '../helpers/certificates.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const EXAMPLES = join(ROOT, 'examples');

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

  it.each(['minimal', 'udp', 'noise', 'tls', 'mutual-tls', 'websocket'])(
    '%s: both ends fit together',
    (folder) => {
      const { server } = loadExample(join(folder, 'server.toml')).config;
      const { client } = loadExample(join(folder, 'client.toml')).config;
      // Behind a gateway the client has the gateway's port.
      const port = folder === 'websocket' ? 443 : server?.bindAddr.port;
      expect(client?.remoteAddr.port).toBe(port);
      expect(client?.transport.type).toBe(server?.transport.type);
      expect(client?.transport.noise?.pattern).toBe(server?.transport.noise?.pattern);
      expect(client?.transport.websocket?.path).toBe(server?.transport.websocket?.path);
      const facts = (services: NonNullable<typeof server | typeof client>['services']) =>
        [...services.values()].map(({ name, type, token }) => [name, type, token.reveal()]);
      expect(client && facts(client.services)).toEqual(server && facts(server.services));
    },
  );

  it('a Noise example cannot run before it has keys of its own', () => {
    expect(() => loadConfig(join(EXAMPLES, 'noise', 'server.toml'))).toThrow('not a Noise key');
  });

  it.each(files('.service'))('%s starts the role that its name says, and can reload', (name) => {
    const unit = readFileSync(join(EXAMPLES, name), 'utf8');
    const role = name.includes('server') ? 'server' : 'client';
    const file = name.includes('@') ? '%i' : role;
    expect(unit).toContain(`ExecStart=/usr/local/bin/warren --${role} /etc/warren/${file}.toml\n`);
    expect(unit).toContain('ExecReload=/bin/kill -HUP $MAINPID\n');
    for (const line of ['DynamicUser=yes', 'ProtectSystem=strict', 'Restart=on-failure']) {
      expect(unit).toContain(`${line}\n`);
    }
  });
});
