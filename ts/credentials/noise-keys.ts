/** Keys of the Noise transport: X25519, 32 bytes, in Base64 where people see them. */
import { generateKeyPairSync } from 'node:crypto';

export interface NoiseKeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** A new pair. */
export function generateNoiseKeys(): NoiseKeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  // As a JWK both halves are raw keys in Base64url (RFC 8037).
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  return { privateKey: Buffer.from(d, 'base64url'), publicKey: Buffer.from(x, 'base64url') };
}

let ownKey: Uint8Array | undefined;

/** The static private key of a process that has none configured: the same one for all its life. */
export function processNoiseKey(): Uint8Array {
  ownKey ??= generateNoiseKeys().privateKey;
  return ownKey;
}
