/** Certificates: read from PEM, put in order, and their dates in words. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { CredentialError } from './credential-error.ts';
import { pemBlocks } from './pem.ts';

const LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE']);

/**
 * All certificates of a PEM file, at least one.
 * @throws CredentialError
 */
export function certificatesOf(pem: Uint8Array): X509Certificate[] {
  const blocks = pemBlocks(pem);
  const certificates = blocks.filter(({ label }) => LABELS.has(label));
  if (certificates.length === 0) {
    const others = [...new Set(blocks.map(({ label }) => label))].join(', ');
    throw new CredentialError(
      others === ''
        ? 'the file is not PEM: it has no "-----BEGIN CERTIFICATE-----"'
        : `there is no certificate in the file, only: ${others}`,
      'give a PEM file of certificates; `openssl x509 -inform der -in FILE` turns DER into PEM',
    );
  }
  return certificates.map(({ der }, index) => parseCertificate(der, `certificate ${index + 1}`));
}

/** @throws CredentialError */
export function parseCertificate(der: Uint8Array, what: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new CredentialError(
      `${what} in the file is damaged`,
      'copy the file again, or ask for a new one where it came from',
      { cause },
    );
  }
}

/**
 * The certificate that belongs to a key, then what links it to its root, whatever their order. The
 * root itself is left out: who checks has it. Undefined: the key belongs to none of them.
 */
export function chainOf(
  certificates: readonly X509Certificate[],
  key: KeyObject,
): X509Certificate[] | undefined {
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined) return undefined;
  const chain = [leaf];
  const left = new Set(certificates.filter((certificate) => certificate !== leaf));
  for (;;) {
    const last = chain.at(-1) ?? leaf;
    const issuer = [...left].find((candidate) => last.checkIssued(candidate));
    if (isSelfIssued(last) || issuer === undefined || isSelfIssued(issuer)) return chain;
    left.delete(issuer);
    chain.push(issuer);
  }
}

/**
 * Whether a certificate is of X.509 version 3, which alone has extensions and so names (RFC 5280
 * 4.1.2.1). Of its DER: SEQUENCE { SEQUENCE { [0] version, … } … }.
 */
export function isVersion3({ raw }: X509Certificate): boolean {
  const inner = contentAt(raw, 0);
  const first = contentAt(raw, inner);
  return raw[first] === 0xa0 && raw[first + 4] === 2;
}

/** Where the content of the value at `offset` begins. */
function contentAt(der: Uint8Array, offset: number): number {
  const length = der[offset + 1] ?? 0;
  return offset + 2 + (length < 0x80 ? 0 : length & 0x7f);
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

/** What is wrong with a certificate's dates now, if anything. */
export function datesFault(certificate: X509Certificate, now: Date): string | undefined {
  const from = new Date(certificate.validFrom);
  const to = new Date(certificate.validTo);
  if (Number.isNaN(from.getTime()) || Number.isNaN(to.getTime())) {
    return `the certificate has dates that cannot be read: ${certificate.validFrom}, ${certificate.validTo}`;
  }
  const dates = `valid from ${day(from)} to ${day(to)}`;
  if (now < from) return `the certificate is not valid yet: ${dates}`;
  if (now > to) return `the certificate has expired: ${dates}`;
  return undefined;
}

function day(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}
