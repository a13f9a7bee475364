// Certificates for one run, made by the openssl program: a root of its own, and a server's identity
// of either kind in a PKCS#12 file that rathole on OpenSSL 3 can read.

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

/** Paths of one server's files; the same identity in both forms. */
export interface CertificateFiles {
  readonly pkcs12: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a root and one identity of each kind.
 *
 * @throws Error where openssl is missing or refuses.
 */
export function makeCertificates(
  directory: string,
): { readonly root: string } & Readonly<Record<KeyKind, CertificateFiles>> {
  const file = (name: string): string => join(directory, name);
  openssl([
    ...['req', ...NEW_KEY.ecdsa, '-nodes', '-keyout', file('root.key'), '-subj', '/CN=bench root'],
    ...['-x509', ...DAYS, '-addext', 'keyUsage=critical,keyCertSign', '-out', file('root.pem')],
  ]);
  writeFileSync(
    file('leaf.ext'),
    `subjectAltName=DNS:${CERTIFICATE_NAME},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n`,
  );
  const leaf = (kind: KeyKind): CertificateFiles => {
    const [cert, key] = [file(`${kind}.pem`), file(`${kind}.key`)];
    const [request, pkcs12] = [file(`${kind}.csr`), file(`${kind}.p12`)];
    openssl([
      ...['req', ...NEW_KEY[kind], '-nodes', '-keyout', key, '-subj', `/CN=${CERTIFICATE_NAME}`],
      ...['-out', request],
    ]);
    openssl([
      ...['x509', '-req', '-in', request, ...DAYS, '-extfile', file('leaf.ext')],
      ...['-CA', file('root.pem'), '-CAkey', file('root.key'), '-CAcreateserial', '-out', cert],
    ]);
    openssl([
      ...['pkcs12', '-export', '-in', cert, '-inkey', key, ...ENCRYPTION],
      ...['-passout', `pass:${PKCS12_PASSWORD}`, '-out', pkcs12],
    ]);
    return { pkcs12, cert, key };
  };
  return { root: file('root.pem'), ecdsa: leaf('ecdsa'), rsa: leaf('rsa') };
}

function openssl(args: readonly string[]): void {
  const { error, status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error('certificates need openssl, which is not on PATH');
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr.trim()}`);
}
