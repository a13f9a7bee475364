import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CredentialError } from '../../../ts/credentials/credential-error.ts';
import { readPkcs12 } from '../../../ts/credentials/pkcs12.ts';
import { exportPkcs12, identity, PKCS12_PASSWORD, pkcs12File } from '../../helpers/certificates.ts';

const directory = mkdtempSync(join(tmpdir(), 'warren-pkcs12-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What the archive must hold: the same key and leaf as the PEM files that it was made from. */
function expectContent(name: 'rsa' | 'ecdsa', bytes: Uint8Array, password: string): void {
  const { keys, certificates } = readPkcs12(bytes, password);
  const { chain, key } = identity(name);
  expect(certificates.map(hex)).toEqual(chain.map(hex));
  expect(keys).toHaveLength(1);
  const keyOf = (der: Uint8Array) =>
    createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  expect(keyOf(keys[0] ?? new Uint8Array()).equals(keyOf(key))).toBe(true);
}

function made(
  name: 'rsa' | 'ecdsa',
  password: string,
  flags: readonly string[],
  encryption: 'modern' | 'legacy' | '3des' = 'modern',
): Uint8Array {
  const file = join(directory, 'made.p12');
  exportPkcs12(name, file, { password, encryption, flags });
  return readFileSync(file);
}

function faultOf(bytes: Uint8Array, password: string): string {
  try {
    readPkcs12(bytes, password);
  } catch (error) {
    if (error instanceof CredentialError) return error.message;
    throw error;
  }
  return 'it was read';
}

const names = ['rsa', 'ecdsa'] as const;
const encryptions = ['modern', 'legacy', '3des'] as const;
const passwords = ['plain', '', 'pässwörd €', '🔑', 'a'.repeat(70)];

describe.each(names)('%s', (name) => {
  describe.each(encryptions)('%s', (encryption) => {
    test.each(passwords)('password "%s"', (password) => {
      expectContent(name, made(name, password, [], encryption), password);
    });
  });

  test.each([
    ['other ciphers', ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-192-CBC']],
    ['MAC by SHA-512', ['-macalg', 'sha512']],
    ['MAC by SHA-384', ['-macalg', 'sha384']],
    ['3DES with a MAC by SHA-1', ['-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['nothing encrypted', ['-certpbe', 'NONE', '-keypbe', 'NONE']],
    ['many iterations', ['-iter', '100000']],
    ['one iteration', ['-noiter', '-nomaciter']],
  ])('%s', (_, flags) => {
    expectContent(name, made(name, 'pass', flags), 'pass');
  });
});

test('the files that other tests use', () => {
  for (const encryption of encryptions) {
    expectContent('ecdsa', readFileSync(pkcs12File('ecdsa', encryption)), PKCS12_PASSWORD);
  }
});

test('further certificates are there, in the archive’s order', () => {
  const { certificates } = readPkcs12(readFileSync(pkcs12File('chained')), PKCS12_PASSWORD);
  expect(certificates.map((der) => new X509Certificate(der).subject)).toEqual([
    'CN=warren test chained',
    'CN=warren test intermediate',
  ]);
});

test.each(encryptions)('%s: a wrong password is named', (encryption) => {
  const bytes = made('ecdsa', 'right', [], encryption);
  for (const wrong of ['', 'Right', 'right ', 'rightx']) {
    expect(faultOf(bytes, wrong)).toContain('the password is wrong');
  }
});

test('an archive without a MAC is refused, also with the right password', () => {
  expect(faultOf(made('ecdsa', 'p', ['-nomac']), 'p')).toContain('no MAC');
});

test('an encryption that nothing writes by itself is named', () => {
  const flags = ['-legacy', '-certpbe', 'PBE-SHA1-RC2-128', '-keypbe', 'PBE-SHA1-2DES'];
  expect(faultOf(made('ecdsa', 'p', flags), 'p')).toContain('encryption is not known');
});

test.each([
  ['the MAC', ['-maciter', '-iter', '600000'], 'modern'],
  ['older encryptions', ['-iter', '110000'], 'legacy'],
  ['a MAC by SHA-512', ['-iter', '170000', '-macalg', 'sha512'], 'modern'],
] as const)('%s of too many iterations is refused at once, as that', (_, flags, encryption) => {
  const bytes = made('ecdsa', 'p', flags, encryption);
  expect(faultOf(bytes, 'p')).toContain('so many iterations');
});

test('what Java asks for is read', () => {
  const flags = ['-iter', '60000', '-macalg', 'sha1'];
  expectContent('ecdsa', made('ecdsa', 'p', flags, '3des'), 'p');
});

test('certificates alone, and a key alone', () => {
  const certificates = readPkcs12(made('ecdsa', 'p', ['-nokeys']), 'p');
  expect([certificates.keys.length, certificates.certificates.length]).toEqual([0, 1]);
  const file = join(directory, 'key.p12');
  const key = join(directory, 'key.pem');
  spawnSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key]);
  const flags = ['-nocerts', '-inkey', key, '-out', file, '-passout', 'pass:p'];
  expect(spawnSync('openssl', ['pkcs12', '-export', ...flags]).status).toBe(0);
  const only = readPkcs12(readFileSync(file), 'p');
  expect([only.keys.length, only.certificates.length]).toEqual([1, 0]);
});

test('what is no archive is a clear fault, never another error', () => {
  const good = made('ecdsa', 'p', []);
  expect(faultOf(new Uint8Array(), 'p')).toContain('no PKCS#12');
  expect(faultOf(Buffer.from('-----BEGIN CERTIFICATE-----'), 'p')).toContain('no PKCS#12');
  expect(faultOf(readFileSync('/proc/self/exe').subarray(0, 5_000), 'p')).toContain('no PKCS#12');
  expect(faultOf(good.subarray(0, -1), 'p')).toContain('damaged');
  expect(faultOf(Buffer.concat([good, good]), 'p')).toContain('damaged');
});

test('whichever byte is damaged, it is never read as another content', () => {
  const good = made('ecdsa', 'p', ['-noiter', '-nomaciter']);
  const { keys, certificates } = readPkcs12(good, 'p');
  const content = [...keys, ...certificates].map(hex).join();
  for (let at = 0; at < good.length; at += 1) {
    const damaged = Uint8Array.from(good);
    damaged[at] = (damaged[at] ?? 0) ^ 0x41;
    let read: string | undefined;
    try {
      const found = readPkcs12(damaged, 'p');
      read = [...found.keys, ...found.certificates].map(hex).join();
    } catch (error) {
      expect(error, `byte ${at}`).toBeInstanceOf(CredentialError);
    }
    if (read !== undefined) expect(read, `byte ${at}`).toBe(content);
  }
});
