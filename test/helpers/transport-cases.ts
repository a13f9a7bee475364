/** Every transport as lines of a configuration file, in the keys that rathole has too. */
import { generateKeyPairSync } from 'node:crypto';
import { PKCS12_PASSWORD, pkcs12File, rootFile } from './certificates.ts';

export interface TransportLines {
  /** Behind the keys of `[server]`. */
  readonly server: string;
  readonly client: string;
}

export type TransportName = 'tcp' | 'tls' | 'noise' | 'websocket' | 'websocket+tls';

export const TRANSPORTS: readonly TransportName[] = [
  'tcp',
  'tls',
  'noise',
  'websocket',
  'websocket+tls',
];

/** The least that each needs. Makes certificates, so not at import. */
export function transportLines(name: TransportName): TransportLines {
  if (name === 'tcp') return { server: '', client: '' };
  if (name === 'tls') return lines('tls', tlsServer(), tlsClient());
  if (name === 'noise') return noiseLines('Noise_NK_25519_ChaChaPoly_BLAKE2s');
  const isTls = name === 'websocket+tls';
  const websocket = (role: string): string => `[${role}.transport.websocket]\ntls = ${isTls}\n`;
  return lines(
    'websocket',
    websocket('server') + (isTls ? tlsServer() : ''),
    websocket('client') + (isTls ? tlsClient() : ''),
  );
}

export interface KeyPair {
  /** 32 bytes in Base64. */
  readonly privateKey: string;
  readonly publicKey: string;
}

export function noiseKeys(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  // The raw keys are what the last 32 bytes of their DER are (RFC 8410).
  const raw = (der: Buffer): string => der.subarray(-32).toString('base64');
  return {
    privateKey: raw(privateKey.export({ format: 'der', type: 'pkcs8' })),
    publicKey: raw(publicKey.export({ format: 'der', type: 'spki' })),
  };
}

/** Every key that any pattern may want, on both ends. */
export function noiseLines(
  pattern: string,
  keys: { server: KeyPair; client: KeyPair } = { server: noiseKeys(), client: noiseKeys() },
): TransportLines {
  const letters = (pattern.split('_')[1] ?? '').replaceAll('1', '');
  const table = (role: string, own: KeyPair, peer: string | undefined): string =>
    [
      `[${role}.transport.noise]`,
      `pattern = "${pattern}"`,
      `local_private_key = "${own.privateKey}"`,
      ...(peer === undefined ? [] : [`remote_public_key = "${peer}"`]),
      '',
    ].join('\n');
  return lines(
    'noise',
    table('server', keys.server, letters[0] === 'N' ? undefined : keys.client.publicKey),
    table('client', keys.client, letters[1] === 'N' ? undefined : keys.server.publicKey),
  );
}

function tlsServer(): string {
  return `[server.transport.tls]
pkcs12 = "${pkcs12File('rsa')}"
pkcs12_password = "${PKCS12_PASSWORD}"
`;
}

function tlsClient(): string {
  return `[client.transport.tls]
trusted_root = "${rootFile()}"
hostname = "localhost"
`;
}

function lines(type: string, server: string, client: string): TransportLines {
  return {
    server: `[server.transport]\ntype = "${type}"\n${server}`,
    client: `[client.transport]\ntype = "${type}"\n${client}`,
  };
}
