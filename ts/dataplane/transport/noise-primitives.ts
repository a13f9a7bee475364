/** The functions of the Noise specification (rev. 34, sections 4 and 5.1) on node:crypto. */
import crypto, { type KeyObject } from 'node:crypto';

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
const EMPTY = Buffer.alloc(0);
/** PKCS#8 of an X25519 key (RFC 8410), up to the key. */
const PKCS8_HEAD: Buffer = Buffer.from('302e020100300506032b656e04220420', 'hex');

export interface PublicKey {
  readonly bytes: Buffer;
  readonly object: KeyObject;
}

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Buffer;
}

export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('x25519');
  return { privateKey, publicKey: publicBytes(publicKey) };
}

/** Costs half a millisecond: for keys that stay. */
export function keyPairFrom(privateBytes: Uint8Array): KeyPair {
  const der = Buffer.concat([PKCS8_HEAD, privateBytes]);
  const privateKey = crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: publicBytes(crypto.createPublicKey(privateKey)) };
}

/** By JWK: nine times as fast as by DER. */
export function publicKeyFrom(bytes: Uint8Array): PublicKey {
  const own = Buffer.from(bytes);
  const key = { kty: 'OKP', crv: 'X25519', x: own.toString('base64url') };
  return { bytes: own, object: crypto.createPublicKey({ key, format: 'jwk' }) };
}

function publicBytes(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

/** The peer's public key is one with which every secret would be zero. */
export class SmallOrderError extends Error {
  override readonly name = 'SmallOrderError';
}

/** @throws SmallOrderError: no honest peer has such a key. */
export function dh(ours: KeyPair, theirs: PublicKey): Buffer {
  try {
    return crypto.diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.object });
  } catch (cause) {
    throw new SmallOrderError("the peer's public key is one that nobody can have", { cause });
  }
}

export interface Hash {
  /** As OpenSSL calls it. */
  readonly name: string;
  readonly bytes: number;
}

export const HASHES: Readonly<Record<string, Hash>> = {
  SHA256: { name: 'sha256', bytes: 32 },
  SHA512: { name: 'sha512', bytes: 64 },
  BLAKE2s: { name: 'blake2s256', bytes: 32 },
  BLAKE2b: { name: 'blake2b512', bytes: 64 },
};

export function hash(algorithm: Hash, ...parts: Uint8Array[]): Buffer {
  const state = crypto.createHash(algorithm.name);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** HKDF of the specification with two outputs; three HMACs are faster than `hkdfSync`. */
export function hkdf(algorithm: Hash, chainingKey: Buffer, input: Uint8Array): [Buffer, Buffer] {
  const hmac = (key: Buffer, a: Uint8Array, b: Uint8Array): Buffer =>
    crypto.createHmac(algorithm.name, key).update(a).update(b).digest();
  const temporary = hmac(chainingKey, input, EMPTY);
  const first = hmac(temporary, EMPTY, Uint8Array.of(1));
  return [first, hmac(temporary, first, Uint8Array.of(2))];
}

export interface CipherAlgorithm {
  /** The types know no call that takes either. */
  readonly name: 'aes-256-gcm';
  readonly bigEndianNonce: boolean;
}

export const CIPHERS: Readonly<Record<string, CipherAlgorithm>> = {
  ChaChaPoly: { name: 'chacha20-poly1305' as 'aes-256-gcm', bigEndianNonce: false },
  AESGCM: { name: 'aes-256-gcm', bigEndianNonce: true },
};

/** A key and its counter. */
export class CipherState {
  readonly #algorithm: CipherAlgorithm;
  readonly #key: Buffer;
  readonly #nonce: Buffer = Buffer.alloc(12);
  #count = 0;

  constructor(algorithm: CipherAlgorithm, key: Buffer) {
    this.#algorithm = algorithm;
    this.#key = key.subarray(0, KEY_BYTES);
  }

  get key(): Buffer {
    return this.#key;
  }

  /** The ciphertext, as long as `plain`, and its tag. */
  seal(associated: Buffer, plain: Uint8Array): [ciphertext: Buffer, tag: Buffer] {
    const options = { authTagLength: TAG_BYTES };
    const nonce = this.#nextNonce();
    const cipher = crypto.createCipheriv(this.#algorithm.name, this.#key, nonce, options);
    if (associated.length > 0) cipher.setAAD(associated);
    const ciphertext = cipher.update(plain);
    cipher.final();
    return [ciphertext, cipher.getAuthTag()];
  }

  /** @throws where it is not what the peer sealed. */
  open(associated: Buffer, sealed: Buffer): Buffer {
    const options = { authTagLength: TAG_BYTES };
    const nonce = this.#nextNonce();
    const decipher = crypto.createDecipheriv(this.#algorithm.name, this.#key, nonce, options);
    const tagAt = sealed.length - TAG_BYTES;
    decipher.setAuthTag(sealed.subarray(tagAt));
    if (associated.length > 0) decipher.setAAD(associated);
    const plain = decipher.update(sealed.subarray(0, tagAt));
    decipher.final();
    return plain;
  }

  /** Four zero bytes and the counter: 2^53 of 2^64 are more than a connection lives to use. */
  #nextNonce(): Buffer {
    const count = this.#count;
    this.#count += 1;
    const low = count >>> 0;
    const high = Math.floor(count / 2 ** 32);
    if (this.#algorithm.bigEndianNonce) {
      this.#nonce.writeUInt32BE(high, 4);
      this.#nonce.writeUInt32BE(low, 8);
    } else {
      this.#nonce.writeUInt32LE(low, 4);
      this.#nonce.writeUInt32LE(high, 8);
    }
    return this.#nonce;
  }
}
