/**
 * The certificates that this system trusts. `SSL_CERT_FILE` wins, then what Node finds (22.15 and
 * later), then the usual files of Unix systems, then Mozilla's list that is built into Node.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import { certificatesOf } from './certificates.ts';
import { CredentialError } from './credential-error.ts';
import { pemBlocks } from './pem.ts';

const BUNDLES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Ubuntu, Arch, Gentoo, Alpine
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // Fedora, RHEL
  '/etc/pki/tls/certs/ca-bundle.crt', // older RHEL
  '/etc/ssl/ca-bundle.pem', // openSUSE
  '/etc/ssl/cert.pem', // Alpine, OpenBSD, FreeBSD, macOS
  '/usr/local/share/certs/ca-root-nss.crt', // FreeBSD, ca_root_nss
  '/etc/certs/ca-certificates.crt', // illumos
];

interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => Uint8Array;
  readonly bundles: readonly string[];
  /** PEM, one each; undefined where Node cannot tell. */
  readonly fromNode: () => readonly string[] | undefined;
}

const SYSTEM: Sources = {
  env: process.env,
  readFile: (path) => readFileSync(path),
  bundles: BUNDLES,
  fromNode: () => {
    // Newer than the oldest Node that warren runs on, and so than the types.
    const { getCACertificates } = tls as { getCACertificates?: (type: string) => string[] };
    return getCACertificates?.('system');
  },
};

let cached: readonly Uint8Array[] | undefined;

/**
 * DER, never empty; read once per process.
 * @throws CredentialError when SSL_CERT_FILE cannot be used.
 */
export function systemRoots(): readonly Uint8Array[] {
  cached ??= findSystemRoots(SYSTEM);
  return cached;
}

/** @throws CredentialError */
export function findSystemRoots(sources: Sources): readonly Uint8Array[] {
  const { SSL_CERT_FILE: named } = sources.env;
  if (named !== undefined && named !== '') return namedRoots(named, sources);
  const fromNode = usable((sources.fromNode() ?? []).map((pem) => Buffer.from(pem)));
  if (fromNode.length > 0) return fromNode;
  for (const path of sources.bundles) {
    const found = usable([tryRead(path, sources)].filter((bytes) => bytes !== undefined));
    if (found.length > 0) return found;
  }
  return usable(tls.rootCertificates.map((pem) => Buffer.from(pem)));
}

function namedRoots(path: string, { readFile }: Sources): readonly Uint8Array[] {
  try {
    return certificatesOf(readFile(path)).map(({ raw }) => raw);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CredentialError(
      `SSL_CERT_FILE is set to ${path}, which cannot be used: ${why}`,
      'correct or unset the variable SSL_CERT_FILE, or name a file in trusted_root',
      { cause },
    );
  }
}

function tryRead(path: string, { readFile }: Sources): Uint8Array | undefined {
  try {
    return readFile(path);
  } catch {
    // Each system has one or two of these files.
    return undefined;
  }
}

/** One odd certificate among a system's hundred must not take the others away. */
function usable(pems: readonly Uint8Array[]): Uint8Array[] {
  return pems.flatMap(pemBlocks).flatMap(({ der }) => {
    try {
      return [new X509Certificate(der).raw];
    } catch {
      return [];
    }
  });
}
