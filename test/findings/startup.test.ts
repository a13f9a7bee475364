/**
 * wire-v1 section 6, W6: what ends rathole by an abort is told at the start, with the file's place, or
 * is no fault at all.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  bundleFile,
  certificateFile,
  exportPkcs12,
  keyFile,
  PKCS12_PASSWORD,
  pkcs12File,
  rootFile,
} from '../helpers/certificates.ts';
import { logLine, startWarren } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources } from '../helpers/process-resources.ts';
import { temporaryFolder } from '../helpers/programs.ts';

const resources = new Resources();
afterEach(() => resources.close());

const key = (length: number): string => Buffer.alloc(length, 7).toString('base64');
const SERVICE = { server: 'bind_addr = "127.0.0.1:0"', client: 'local_addr = "127.0.0.1:9"' };

async function start(role: 'server' | 'client', transport: string) {
  const file = join(temporaryFolder(resources), 'warren.toml');
  const address = role === 'server' ? 'bind_addr' : 'remote_addr';
  const port = role === 'server' ? 0 : await freePort();
  writeFileSync(
    file,
    `[${role}]\n${address} = "127.0.0.1:${port}"\ndefault_token = "t"\n` +
      `${transport.replaceAll('ROLE', role)}\n[${role}.services.web]\n${SERVICE[role]}\n`,
  );
  return startWarren(resources, `warren ${role}`, file, { level: 'debug' });
}

const tls = (lines: string, type = 'tls'): string =>
  `[ROLE.transport]\ntype = "${type}"\n` +
  `${type === 'websocket' ? '[ROLE.transport.websocket]\ntls = true\n' : ''}` +
  `[ROLE.transport.tls]\n${lines}\n`;
const noise = (lines: string): string =>
  `[ROLE.transport]\ntype = "noise"\n[ROLE.transport.noise]\n${lines}\n`;

describe('W6: a start that cannot work ends with exit code 1 and says why', () => {
  test.each<[string, 'server' | 'client', () => string, string]>([
    ['websocket with tls, without identity', 'server', () => tls('', 'websocket'), 'pkcs12'],
    [
      'a wrong password',
      'server',
      () => tls(`pkcs12 = "${pkcs12File('rsa')}"\npkcs12_password = "wrong"`),
      'password',
    ],
    [
      'a file that is no PKCS#12',
      'server',
      () => tls(`pkcs12 = "${rootFile()}"\npkcs12_password = "x"`),
      'PKCS#12',
    ],
    [
      'a PKCS#12 without key',
      'server',
      () => {
        const file = join(temporaryFolder(resources), 'no-key.p12');
        exportPkcs12('rsa', file, { password: PKCS12_PASSWORD, flags: ['-nokeys'] });
        return tls(`pkcs12 = "${file}"\npkcs12_password = "${PKCS12_PASSWORD}"`);
      },
      'key',
    ],
    [
      'a certificate and another key',
      'server',
      () => tls(`cert = "${certificateFile('rsa')}"\nkey = "${keyFile('ecdsa')}"`),
      'key',
    ],
    [
      'a root that is not there',
      'client',
      () => tls('trusted_root = "/nowhere.pem"'),
      'nowhere.pem',
    ],
    [
      'a root without certificate',
      'client',
      () => tls(`trusted_root = "${keyFile('rsa')}"`),
      'certificate',
    ],
    [
      'a noise key that is too long',
      'server',
      () => noise(`local_private_key = "${key(33)}"`),
      '32',
    ],
    [
      'a noise key that is too short',
      'server',
      () => noise(`local_private_key = "${key(31)}"`),
      '32',
    ],
    ['no noise key of the server', 'client', () => noise(''), 'remote_public_key'],
    [
      'a pattern that cannot be',
      'server',
      () => noise('pattern = "Noise_NKpsk0_25519_ChaChaPoly_SHA256"'),
      'pattern',
    ],
    [
      'a proxy that is none',
      'client',
      () => '[ROLE.transport]\ntype = "tcp"\n[ROLE.transport.tcp]\nproxy = "ftp://h:1"',
      'proxy',
    ],
  ])('%s', async (_what, role, transport, word) => {
    const daemon = await start(role, transport());
    expect(await daemon.ended).toEqual({ code: 1, signal: null });
    expect(daemon.tail()).toContain(word);
    expect(daemon.tail()).not.toContain('internal');
  });
});

describe('W6: what is allowed ends nothing', () => {
  test.each([
    ['http://127.0.0.1', '127.0.0.1:80'],
    ['http://127.0.0.1:80', '127.0.0.1:80'],
    ['socks5://127.0.0.1', '127.0.0.1:1080'],
  ])('the usual port of a proxy, %s', async (url, address) => {
    const transport = `[ROLE.transport]\ntype = "tcp"\n[ROLE.transport.tcp]\nproxy = "${url}"`;
    const daemon = await start('client', transport);
    const refused = logLine('cannot connect to the server, will retry');
    const { error } = await daemon.waitFor('an attempt', refused);
    expect(error).toContain(address);
    expect(daemon.running).toBe(true);
  });

  test('a bundle, whatever else is in the file', async () => {
    const daemon = await start('client', tls(`trusted_root = "${bundleFile()}"`));
    await daemon.waitFor('an attempt', logLine('cannot connect to the server, will retry'));
    expect(daemon.running).toBe(true);
  });
});
