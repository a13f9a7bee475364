/**
 * Noise as a test peer speaks it (wire-v1 4.3): NK and XX over 25519, on node:crypto, written from the
 * specification and not with the code under test.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
} from 'node:crypto';
import type { Duplex } from 'node:stream';
import { type PeerCodec, readExactly } from './carried-socket.ts';

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss';

const MESSAGES: Readonly<Record<string, readonly (readonly Token[])[]>> = {
  NK: [
    ['e', 'es'],
    ['e', 'ee'],
  ],
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
};
const HASHES: Readonly<Record<string, string>> = { BLAKE2s: 'blake2s256', SHA256: 'sha256' };
const CIPHERS = { ChaChaPoly: 'chacha20-poly1305', AESGCM: 'aes-256-gcm' } as const;
const KEY_LENGTH = 32;
const TAG_LENGTH = 16;
export const RECORD_MAX_PLAIN = 65_519;

export interface NoisePeerKeys {
  readonly pattern: string;
  /** Raw X25519 keys. */
  readonly localPrivateKey: Uint8Array;
  readonly remotePublicKey?: Uint8Array | undefined;
}

class CipherState {
  readonly #cipher: keyof typeof CIPHERS;
  readonly #key: Buffer;
  #nonce = 0n;

  constructor(cipher: string, key: Buffer) {
    if (cipher !== 'ChaChaPoly' && cipher !== 'AESGCM') throw new Error(`cipher ${cipher}`);
    this.#cipher = cipher;
    this.#key = key;
  }

  seal(plain: Uint8Array, data: Uint8Array = Buffer.alloc(0)): Buffer {
    // One type for both names: their options differ in what this does not use.
    const name = CIPHERS[this.#cipher] as 'chacha20-poly1305';
    const cipher = createCipheriv(name, this.#key, this.#next(), { authTagLength: TAG_LENGTH });
    cipher.setAAD(data, { plaintextLength: plain.length });
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array, data: Uint8Array = Buffer.alloc(0)): Buffer {
    const name = CIPHERS[this.#cipher] as 'chacha20-poly1305';
    const cipher = createDecipheriv(name, this.#key, this.#next(), { authTagLength: TAG_LENGTH });
    const at = sealed.length - TAG_LENGTH;
    cipher.setAAD(data, { plaintextLength: at });
    cipher.setAuthTag(sealed.subarray(at));
    return Buffer.concat([cipher.update(sealed.subarray(0, at)), cipher.final()]);
  }

  #next(): Buffer {
    const nonce = Buffer.alloc(12);
    if (this.#cipher === 'AESGCM') nonce.writeBigUInt64BE(this.#nonce, 4);
    else nonce.writeBigUInt64LE(this.#nonce, 4);
    this.#nonce += 1n;
    return nonce;
  }
}

class Handshake {
  readonly #hashName: string;
  readonly #cipherName: string;
  #ck: Buffer;
  #h: Buffer;
  #cipher: CipherState | undefined;
  readonly messages: readonly (readonly Token[])[];
  readonly #isInitiator: boolean;
  readonly #s: Buffer;
  readonly #e: Buffer;
  #rs: Buffer | undefined;
  #re: Buffer | undefined;

  constructor(keys: NoisePeerKeys, isInitiator: boolean) {
    const [, letters = '', , cipher = '', hash = ''] = keys.pattern.split('_');
    const messages = MESSAGES[letters];
    const hashName = HASHES[hash];
    if (messages === undefined || hashName === undefined) throw new Error(keys.pattern);
    this.messages = messages;
    this.#hashName = hashName;
    this.#cipherName = cipher;
    this.#isInitiator = isInitiator;
    this.#s = Buffer.from(keys.localPrivateKey);
    this.#e = newPrivateKey();
    const name = Buffer.from(keys.pattern);
    this.#h = name.length <= 32 ? Buffer.concat([name], 32) : this.#hash(name);
    this.#ck = this.#h;
    this.#mixHash(Buffer.alloc(0));
    if (letters[1] === 'K') {
      const known = isInitiator ? keys.remotePublicKey : publicOf(this.#s);
      if (known === undefined) throw new Error('the pattern wants the remote key');
      this.#mixHash(known);
      if (isInitiator) this.#rs = Buffer.from(known);
    }
  }

  write(tokens: readonly Token[]): Buffer {
    const parts: Buffer[] = [];
    for (const token of tokens) {
      if (token === 'e') {
        parts.push(publicOf(this.#e));
        this.#mixHash(publicOf(this.#e));
      } else if (token === 's') parts.push(this.#seal(publicOf(this.#s)));
      else this.#mixKey(token);
    }
    return Buffer.concat([...parts, this.#seal(Buffer.alloc(0))]);
  }

  read(message: Buffer, tokens: readonly Token[]): void {
    let at = 0;
    const take = (length: number): Buffer => {
      at += length;
      return message.subarray(at - length, at);
    };
    for (const token of tokens) {
      if (token === 'e') {
        this.#re = take(KEY_LENGTH);
        this.#mixHash(this.#re);
      } else if (token === 's') {
        this.#rs = this.#open(take(KEY_LENGTH + (this.#cipher === undefined ? 0 : TAG_LENGTH)));
      } else this.#mixKey(token);
    }
    if (this.#open(message.subarray(at)).length > 0) throw new Error('a payload in the handshake');
  }

  split(): { send: CipherState; receive: CipherState } {
    const [first, second] = this.#hkdf(Buffer.alloc(0));
    const pair = [first, second].map((key) => new CipherState(this.#cipherName, key));
    const [up, down] = pair as [CipherState, CipherState];
    return this.#isInitiator ? { send: up, receive: down } : { send: down, receive: up };
  }

  #mixKey(token: Token): void {
    // Named from the initiator: `es` is its ephemeral and the responder's static key.
    const [initiator = '', responder = ''] = token;
    const mine = this.#isInitiator ? initiator : responder;
    const theirs = this.#isInitiator ? responder : initiator;
    const remote = theirs === 'e' ? this.#re : this.#rs;
    if (remote === undefined) throw new Error(`no remote key for ${token}`);
    const [ck, key] = this.#hkdf(agree(mine === 'e' ? this.#e : this.#s, remote));
    this.#ck = ck;
    this.#cipher = new CipherState(this.#cipherName, key.subarray(0, KEY_LENGTH));
  }

  #seal(plain: Buffer): Buffer {
    const sealed = this.#cipher?.seal(plain, this.#h) ?? plain;
    this.#mixHash(sealed);
    return sealed;
  }

  #open(sealed: Buffer): Buffer {
    const plain = this.#cipher?.open(sealed, this.#h) ?? sealed;
    this.#mixHash(sealed);
    return plain;
  }

  #mixHash(bytes: Uint8Array): void {
    this.#h = this.#hash(this.#h, bytes);
  }

  #hash(...parts: Uint8Array[]): Buffer {
    return createHash(this.#hashName).update(Buffer.concat(parts)).digest();
  }

  #hkdf(material: Buffer): [Buffer, Buffer] {
    const hmac = (key: Buffer, bytes: Buffer): Buffer =>
      createHmac(this.#hashName, key).update(bytes).digest();
    const secret = hmac(this.#ck, material);
    const first = hmac(secret, Buffer.of(1));
    return [first, hmac(secret, Buffer.concat([first, Buffer.of(2)]))];
  }
}

/** The handshake on a stream that nobody reads yet. */
export async function noiseHandshake(
  below: Duplex,
  keys: NoisePeerKeys,
  role: 'client' | 'server',
): Promise<NoiseCodec> {
  const handshake = new Handshake(keys, role === 'client');
  for (const [index, tokens] of handshake.messages.entries()) {
    if ((index % 2 === 0) === (role === 'client')) below.write(record(handshake.write(tokens)));
    else {
      const length = (await readExactly(below, 2)).readUInt16LE();
      handshake.read(await readExactly(below, length), tokens);
    }
  }
  return new NoiseCodec(handshake.split());
}

export class NoiseCodec implements PeerCodec {
  readonly goodbye = undefined;
  readonly #send: CipherState;
  readonly #receive: CipherState;
  #held: Buffer = Buffer.alloc(0);
  /** Plain lengths of the records that came. */
  readonly lengths: number[] = [];

  constructor(ciphers: { send: CipherState; receive: CipherState }) {
    this.#send = ciphers.send;
    this.#receive = ciphers.receive;
  }

  encode(payload: Uint8Array): Buffer {
    const records: Buffer[] = [];
    for (let at = 0; at < payload.length; at += RECORD_MAX_PLAIN) {
      records.push(this.seal(payload.subarray(at, at + RECORD_MAX_PLAIN)));
    }
    return Buffer.concat(records);
  }

  /** One record, of any length. */
  seal(plain: Uint8Array): Buffer {
    return record(this.#send.seal(plain));
  }

  decode(bytes: Buffer): { payloads: Buffer[]; ended: boolean } {
    this.#held = Buffer.concat([this.#held, bytes]);
    const payloads: Buffer[] = [];
    while (this.#held.length >= 2) {
      const end = 2 + this.#held.readUInt16LE();
      if (this.#held.length < end) break;
      const plain = this.#receive.open(this.#held.subarray(2, end));
      if (plain.length === 0) throw new Error('an empty record');
      this.lengths.push(plain.length);
      payloads.push(plain);
      this.#held = this.#held.subarray(end);
    }
    return { payloads, ended: false };
  }
}

function record(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

// The raw keys are what the last 32 bytes of their DER are (RFC 8410).
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex');

export function newPrivateKey(): Buffer {
  const { privateKey } = generateKeyPairSync('x25519');
  return privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_LENGTH);
}

export function publicOf(privateKey: Uint8Array): Buffer {
  const der = createPublicKey(privateObject(privateKey)).export({ format: 'der', type: 'spki' });
  return der.subarray(-KEY_LENGTH);
}

function agree(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  const key = Buffer.concat([PUBLIC_HEAD, publicKey]);
  const publicObject = createPublicKey({ key, format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: privateObject(privateKey), publicKey: publicObject });
}

function privateObject(raw: Uint8Array) {
  const key = Buffer.concat([PRIVATE_HEAD, raw]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}
