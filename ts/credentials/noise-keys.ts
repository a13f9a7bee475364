/** Keys of the Noise transport: X25519, 32 bytes, in Base64 where people see them. */
import { createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';

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

/**
 * Whether a public key is one of the few with which every secret is zero, whatever the private one
 * (RFC 7748 6.1). OpenSSL knows them by that.
 */
export function isOfSmallOrder(publicKey: Uint8Array): boolean {
  const { privateKey } = generateKeyPairSync('x25519');
  const key = { kty: 'OKP', crv: 'X25519', x: Buffer.from(publicKey).toString('base64url') };
  try {
    diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) });
    return false;
  } catch {
    return true;
  }
}

let ownKey: Uint8Array | undefined;

/** The static private key of a process that has none configured: the same one for all its life. */
export function processNoiseKey(): Uint8Array {
  ownKey ??= generateNoiseKeys().privateKey;
  return ownKey;
}
