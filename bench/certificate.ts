// A certificate for one run, made by the openssl program: a root of its own, and a server's
// identity in a PKCS#12 file that rathole on OpenSSL 3 can read.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type KeyKind = 'ecdsa' | 'rsa';

export const CERTIFICATE_NAME = 'localhost';
export const PKCS12_PASSWORD = 'bench';

const NEW_KEY: Readonly<Record<KeyKind, readonly string[]>> = {
  ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-newkey', 'rsa:2048'],
};
/** What OpenSSL writes by default rathole cannot read, and what it wrote before OpenSSL cannot. */
const ENCRYPTION = '-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha256'.split(' ');
const DAYS = ['-days', '2'];

/**
 * Makes both files in the directory.
 *
 * @throws Error where openssl is missing or refuses.
 */
export function makeCertificate(
  directory: string,
  kind: KeyKind,
): { readonly pkcs12: string; readonly root: string } {
  const file = (name: string): string => join(directory, name);
  const request = (name: string, subject: string): string[] => [
    ...['req', ...NEW_KEY[kind], '-nodes', '-keyout', file(`${name}.key`)],
    ...['-subj', `/CN=${subject}`],
  ];
  openssl([
    ...[...request('root', 'bench root'), '-x509', ...DAYS, '-out', file('root.pem')],
    ...['-addext', 'keyUsage=critical,keyCertSign'],
  ]);
  openssl([...request('leaf', CERTIFICATE_NAME), '-out', file('leaf.csr')]);
  writeFileSync(
    file('leaf.ext'),
    `subjectAltName=DNS:${CERTIFICATE_NAME},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n`,
  );
  openssl([
    ...['x509', '-req', '-in', file('leaf.csr'), ...DAYS, '-extfile', file('leaf.ext')],
    ...['-CA', file('root.pem'), '-CAkey', file('root.key'), '-CAcreateserial'],
    ...['-out', file('leaf.pem')],
  ]);
  openssl([
    ...['pkcs12', '-export', '-in', file('leaf.pem'), '-inkey', file('leaf.key'), ...ENCRYPTION],
    ...['-passout', `pass:${PKCS12_PASSWORD}`, '-out', file('identity.p12')],
  ]);
  return { pkcs12: file('identity.p12'), root: file('root.pem') };
}

function openssl(args: readonly string[]): void {
  const { error, status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error('certificates need openssl, which is not on PATH');
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr.trim()}`);
}
