// How a tunnel is carried: the names of the transports, what each needs in the files of both ends,
// and what its handshake needs to know. Keys and certificates are made for the run.

import { generateKeyPairSync } from 'node:crypto';
import { removeDirectory, scratchDirectory } from '../machine/process.ts';
import {
  CERTIFICATE_NAME,
  type CertificateFiles,
  makeCertificates,
  PKCS12_PASSWORD,
} from './certificate.ts';
import type { Missing } from './peer.ts';

/**
 * `tcp-20ms` is plain TCP with a round trip of so long between server and client.
 * `tls` has an ECDSA P-256 certificate, `tls-rsa` one of RSA with 2048 bits. With `tls-both` warren
 * has both; rathole takes one, which must be that of RSA where a client may be old.
 */
export const TRANSPORTS = [
  'tcp',
  'tcp-20ms',
  'noise',
  'noise-aesgcm',
  'tls',
  'tls-rsa',
  'tls-both',
  'websocket',
] as const;

export type TransportName = (typeof TRANSPORTS)[number];

export const LONG_WAY: 'tcp-20ms' = 'tcp-20ms';

export type Settings = Readonly<Record<string, string | boolean>>;

export interface Transport {
  readonly name: TransportName;
  /** `transport.type`, and the name of the table with what follows. */
  readonly type: 'tcp' | 'noise' | 'tls' | 'websocket';
  readonly server: Settings;
  readonly client: Settings;
  /** What a server of warren has besides. */
  readonly warrenServer?: Settings;
  /** With TLS: the server's identity and its root as files, for peers with settings of their own. */
  readonly pem?: { readonly root: string; readonly cert: string; readonly key: string };
  /** Flags of the load generator's `storm`; none where there is no handshake. */
  readonly handshake: Readonly<Record<string, string>> | undefined;
}

export const TCP: Transport = {
  name: 'tcp',
  type: 'tcp',
  server: { nodelay: true },
  client: { nodelay: true },
  handshake: undefined,
};

/** Makes the wanted ones ready; one that cannot be is named with its reason. */
export function prepareTransports(names: Iterable<TransportName>): {
  ready: Map<TransportName, Transport>;
  missing: Missing[];
} {
  const ready = new Map<TransportName, Transport>();
  const missing: Missing[] = [];
  for (const name of names) {
    try {
      ready.set(name, prepare(name));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      missing.push({ name: `transport ${name}`, reason });
    }
  }
  return { ready, missing };
}

function prepare(name: TransportName): Transport {
  switch (name) {
    case 'tcp':
      return TCP;
    case LONG_WAY:
      return { ...TCP, name };
    case 'noise':
      return noise(name, 'Noise_NK_25519_ChaChaPoly_BLAKE2s');
    case 'noise-aesgcm':
      return noise(name, 'Noise_NK_25519_AESGCM_SHA256');
    case 'tls':
      return tls(name, certificates().ecdsa);
    case 'tls-rsa':
      return tls(name, certificates().rsa);
    case 'tls-both': {
      const { rsa, ecdsa } = certificates();
      const { cert, key } = ecdsa;
      return { ...tls(name, rsa), warrenServer: { cert, key } };
    }
    case 'websocket':
      return {
        name,
        type: 'websocket',
        server: { tls: false },
        client: { tls: false },
        handshake: { handshake: 'websocket' },
      };
  }
}

function noise(name: TransportName, pattern: string): Transport {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const [secret, open] = [d, x].map((part) => Buffer.from(part, 'base64url'));
  if (secret === undefined || open === undefined) throw new Error('no key was made');
  return {
    name,
    type: 'noise',
    server: { pattern, local_private_key: secret.toString('base64') },
    client: { pattern, remote_public_key: open.toString('base64') },
    handshake: { handshake: 'noise', pattern, key: open.toString('hex') },
  };
}

let made: ReturnType<typeof makeCertificates> | undefined;

/** Once a run. */
function certificates(): ReturnType<typeof makeCertificates> {
  if (made === undefined) {
    const directory = scratchDirectory();
    try {
      made = makeCertificates(directory);
    } catch (error) {
      removeDirectory(directory);
      throw error;
    }
  }
  return made;
}

function tls(name: TransportName, { pkcs12, cert, key }: CertificateFiles): Transport {
  const { root } = certificates();
  return {
    name,
    type: 'tls',
    server: { pkcs12, pkcs12_password: PKCS12_PASSWORD },
    client: { trusted_root: root, hostname: CERTIFICATE_NAME },
    pem: { root, cert, key },
    handshake: { handshake: 'tls' },
  };
}
