/**
 * Certificates for tests, made through the openssl program: once per run of the suite, in the run's
 * folder. Nothing of them is committed, so nothing of them expires. A test that asks for one where
 * there is no openssl is skipped, so ask in tests and in what runs before each, not in between.
 */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestRunner } from 'vitest';
import type { TlsIdentity } from '../../ts/engine/spec.ts';
import { runFolder } from './run-folder.ts';

type Algorithm = 'rsa' | 'ecdsa';
type Issuer = 'ca' | 'other-ca' | 'intermediate';

interface Leaf {
  readonly algorithm: Algorithm;
  readonly issuer: Issuer;
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly names?: string;
  /** YYYYMMDDHHMMSSZ. */
  readonly from?: string;
  readonly until?: string;
}

/** What servers here are called: by name and by address. */
const NAMES = 'DNS:localhost,DNS:tunnel.test,IP:127.0.0.1,IP:::1';
const SERVER = { algorithm: 'ecdsa', issuer: 'ca', usage: 'serverAuth', names: NAMES } as const;
const CLIENT = { algorithm: 'ecdsa', issuer: 'ca', usage: 'clientAuth' } as const;

export type LeafName =
  | 'rsa'
  | 'ecdsa'
  | 'expired'
  | 'future'
  | 'other-name'
  | 'foreign'
  | 'chained'
  | 'client'
  | 'foreign-client';

const LEAVES: Readonly<Record<LeafName, Leaf>> = {
  rsa: { ...SERVER, algorithm: 'rsa' },
  ecdsa: SERVER,
  expired: { ...SERVER, from: '20200102000000Z', until: '20210304000000Z' },
  future: { ...SERVER, from: '20900102000000Z', until: '20910304000000Z' },
  'other-name': { ...SERVER, names: 'DNS:other.test' },
  foreign: { ...SERVER, issuer: 'other-ca' },
  chained: { ...SERVER, issuer: 'intermediate' },
  client: CLIENT,
  'foreign-client': { ...CLIENT, issuer: 'other-ca' },
};

export const PKCS12_PASSWORD = 'test pass';

/**
 * How a PKCS#12 file is encrypted: `modern` as OpenSSL 3 writes it (AES-256), `legacy` as OpenSSL 1.1
 * does (RC2-40), `3des` what both rathole on OpenSSL 3 and old programs read.
 */
export type Pkcs12Encryption = 'modern' | 'legacy' | '3des';

const PKCS12_FLAGS: Readonly<Record<Pkcs12Encryption, readonly string[]>> = {
  modern: [],
  legacy: ['-legacy'],
  '3des': ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha256'],
};

const CA_CONFIG = `
[ca]
default_ca = tests
[tests]
database = index.txt
new_certs_dir = .
default_md = sha256
default_days = 30
policy = any
rand_serial = yes
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
`;

/** The folder that has them all, as \`NAME.pem\` (the leaf, then what links it) and \`NAME.key\`. */
function folder(): string {
  const final = join(runFolder(), 'certificates');
  if (existsSync(final)) return final;
  const staging = mkdtempSync(join(runFolder(), 'making-'));
  makeAll(staging);
  try {
    renameSync(staging, final);
  } catch (error) {
    // Another worker was faster: all of us use what it has made.
    if (!existsSync(final)) throw error;
    rmSync(staging, { recursive: true, force: true });
  }
  return final;
}

/** PEM of the leaf and what links it to its root. */
export function certificateFile(name: LeafName): string {
  return join(folder(), `${name}.pem`);
}

/** PEM, PKCS#8. */
export function keyFile(name: LeafName): string {
  return join(folder(), `${name}.key`);
}

/** PEM of one root. */
export function rootFile(name: 'ca' | 'other-ca' = 'ca'): string {
  return join(folder(), `${name}.pem`);
}

/** A bundle in which the right root comes second. */
export function bundleFile(): string {
  return join(folder(), 'bundle.pem');
}

export function pkcs12File(name: LeafName, encryption: Pkcs12Encryption = '3des'): string {
  return join(folder(), `${name}.${encryption}.p12`);
}

/** As engines take it. */
export function identity(name: LeafName): TlsIdentity {
  return {
    chain: derOf(readFileSync(certificateFile(name), 'utf8')),
    key: derOf(readFileSync(keyFile(name), 'utf8'))[0] ?? new Uint8Array(),
  };
}

/** As engines take them. */
export function roots(name: 'ca' | 'other-ca' = 'ca'): Uint8Array[] {
  return derOf(readFileSync(rootFile(name), 'utf8'));
}

export function certificate(name: LeafName): X509Certificate {
  return new X509Certificate(readFileSync(certificateFile(name)));
}

/** A further PKCS#12 file, for cases of its own. */
export function exportPkcs12(
  name: LeafName,
  file: string,
  options: { password: string; encryption?: Pkcs12Encryption; flags?: readonly string[] },
): void {
  const { password, encryption = 'modern', flags = [] } = options;
  const input = ['-in', certificateFile(name), '-inkey', keyFile(name)];
  const output = ['-out', file, '-passout', `pass:${password}`, ...PKCS12_FLAGS[encryption]];
  openssl(folder(), ['pkcs12', '-export', ...input, ...output, ...flags]);
}

function derOf(pem: string): Uint8Array[] {
  const blocks = pem.matchAll(/-----BEGIN [A-Z0-9 ]+-----([^-]+)-----END/g);
  return Array.from(blocks, ([, base64 = '']) => new Uint8Array(Buffer.from(base64, 'base64')));
}

function makeAll(at: string): void {
  writeFileSync(join(at, 'ca.conf'), CA_CONFIG);
  writeFileSync(join(at, 'index.txt'), '');
  for (const name of ['ca', 'other-ca'] as const) makeRoot(at, name);
  makeIntermediate(at);
  for (const [name, leaf] of Object.entries(LEAVES)) makeLeaf(at, name, leaf);
  const read = (file: string): string => readFileSync(join(at, file), 'utf8');
  writeFileSync(
    join(at, 'bundle.pem'),
    `${read('other-ca.pem')}# the right one\n${read('ca.pem')}`,
  );
  for (const name of Object.keys(LEAVES)) {
    for (const [encryption, flags] of Object.entries(PKCS12_FLAGS)) {
      const input = ['-in', `${name}.pem`, '-inkey', `${name}.key`];
      const output = ['-out', `${name}.${encryption}.p12`, '-passout', `pass:${PKCS12_PASSWORD}`];
      openssl(at, ['pkcs12', '-export', ...input, ...output, ...flags]);
    }
  }
}

function makeRoot(at: string, name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
  openssl(at, [
    'req',
    '-x509',
    ...key,
    ...files,
    '-days',
    '30',
    '-subj',
    `/CN=warren test ${name}`,
  ]);
}

function makeIntermediate(at: string): void {
  request(at, 'intermediate', 'ecdsa');
  const extensions = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n';
  sign(at, 'intermediate', 'ca', extensions, []);
}

function makeLeaf(at: string, name: string, leaf: Leaf): void {
  const { algorithm, issuer, usage, names, from, until } = leaf;
  request(at, name, algorithm);
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    `extendedKeyUsage=${usage}`,
    ...(names === undefined ? [] : [`subjectAltName=${names}`]),
  ];
  const dates = from && until ? ['-startdate', from, '-enddate', until] : [];
  sign(at, name, issuer, extensions.join('\n'), dates);
  if (issuer !== 'intermediate') return;
  const chain = [`${name}.pem`, 'intermediate.pem'].map((file) => readFileSync(join(at, file)));
  writeFileSync(join(at, `${name}.pem`), Buffer.concat(chain));
}

function request(at: string, name: string, algorithm: Algorithm): void {
  const kind = {
    rsa: ['-newkey', 'rsa:2048'],
    ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  }[algorithm];
  const files = ['-keyout', `${name}.key`, '-out', `${name}.csr`];
  openssl(at, ['req', '-new', '-nodes', ...kind, ...files, '-subj', `/CN=warren test ${name}`]);
}

function sign(
  at: string,
  name: string,
  issuer: string,
  extensions: string,
  dates: readonly string[],
): void {
  writeFileSync(join(at, 'extensions'), extensions);
  const by = ['-cert', `${issuer}.pem`, '-keyfile', `${issuer}.key`, '-extfile', 'extensions'];
  const files = ['-in', `${name}.csr`, '-out', `${name}.pem`];
  openssl(at, ['ca', '-config', 'ca.conf', '-batch', '-notext', ...by, ...dates, ...files]);
}

function openssl(cwd: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('openssl', args, { cwd, encoding: 'utf8' });
  if (error !== undefined) {
    TestRunner.getCurrentTest()?.context.skip('no openssl program');
    throw new Error('the openssl program is not there, and no test is running', { cause: error });
  }
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}\n${stderr}`);
}
