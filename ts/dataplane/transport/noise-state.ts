/**
 * A handshake as the Noise specification has it (rev. 34, sections 5.2 and 5.3): what is mixed, and
 * messages written and read. It knows no connection.
 */
import type { NoisePattern, Token } from './noise-pattern.ts';
import {
  CipherState,
  dh,
  generateKeyPair,
  hash,
  hkdf,
  KEY_BYTES,
  type KeyPair,
  type PublicKey,
  publicKeyFrom,
  TAG_BYTES,
} from './noise-primitives.ts';

const EMPTY = Buffer.alloc(0);

export type NoiseRole = 'initiator' | 'responder';

export interface NoiseParties {
  readonly prologue: Uint8Array;
  readonly local: KeyPair;
  /** The peer's static key where it is known beforehand. */
  readonly remote: PublicKey | undefined;
  /** Of tests; else one is made. */
  readonly ephemeral: KeyPair | undefined;
}

/** What both sides have mixed so far: the chaining key, the hash, and a key once there is one. */
class SymmetricState {
  readonly #pattern: NoisePattern;
  #chainingKey: Buffer;
  #hash: Buffer;
  #cipher: CipherState | undefined;

  constructor(pattern: NoisePattern, prologue: Uint8Array) {
    this.#pattern = pattern;
    const name = Buffer.from(pattern.name);
    const { bytes } = pattern.hash;
    this.#hash = Buffer.alloc(bytes);
    if (name.length > bytes) this.#hash = hash(pattern.hash, name);
    else name.copy(this.#hash);
    this.#chainingKey = this.#hash;
    this.mixHash(prologue);
  }

  get hash(): Buffer {
    return this.#hash;
  }

  mixHash(...data: Uint8Array[]): void {
    this.#hash = hash(this.#pattern.hash, this.#hash, ...data);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#pattern.hash, this.#chainingKey, input);
    this.#chainingKey = chainingKey;
    this.#cipher = new CipherState(this.#pattern.cipher, key);
  }

  /** How much longer a sealed text is than its plaintext. */
  get overhead(): number {
    return this.#cipher === undefined ? 0 : TAG_BYTES;
  }

  seal(plain: Uint8Array): Uint8Array[] {
    const sealed = this.#cipher?.seal(this.#hash, plain) ?? [plain];
    this.mixHash(...sealed);
    return sealed;
  }

  open(sealed: Buffer): Buffer {
    const plain = this.#cipher?.open(this.#hash, sealed) ?? sealed;
    this.mixHash(sealed);
    return plain;
  }

  split(): [initiator: CipherState, responder: CipherState] {
    const { cipher, hash: algorithm } = this.#pattern;
    const [first, second] = hkdf(algorithm, this.#chainingKey, EMPTY);
    return [new CipherState(cipher, first), new CipherState(cipher, second)];
  }
}

export class NoiseState {
  readonly #pattern: NoisePattern;
  readonly #initiator: boolean;
  readonly #symmetric: SymmetricState;
  readonly #local: KeyPair;
  #ephemeral: KeyPair | undefined;
  #remote: PublicKey | undefined;
  #remoteEphemeral: PublicKey | undefined;
  #next = 0;

  constructor(pattern: NoisePattern, role: NoiseRole, parties: NoiseParties) {
    const { prologue, local, remote, ephemeral } = parties;
    this.#pattern = pattern;
    this.#initiator = role === 'initiator';
    this.#symmetric = new SymmetricState(pattern, prologue);
    this.#local = local;
    this.#ephemeral = ephemeral;
    if (pattern.initiatorKnown) this.#mixKnown(this.#initiator, remote);
    if (pattern.responderKnown) this.#mixKnown(!this.#initiator, remote);
  }

  /** Which message is next; beyond the last one the handshake is complete. */
  get next(): number {
    return this.#next;
  }

  get complete(): boolean {
    return this.#next === this.#pattern.messages.length;
  }

  get writesNext(): boolean {
    return (this.#next % 2 === 0) === this.#initiator;
  }

  /** The peer's static key, known or transmitted. */
  get remote(): Buffer | undefined {
    return this.#remote?.bytes;
  }

  get hash(): Buffer {
    return this.#symmetric.hash;
  }

  write(payload: Uint8Array): Buffer {
    const symmetric = this.#symmetric;
    const parts: Uint8Array[] = [];
    for (const token of this.#takeTokens()) {
      if (token === 'e') {
        this.#ephemeral ??= generateKeyPair();
        parts.push(this.#ephemeral.publicKey);
        symmetric.mixHash(this.#ephemeral.publicKey);
      } else if (token === 's') {
        parts.push(...symmetric.seal(this.#local.publicKey));
      } else {
        this.#mixDh(token);
      }
    }
    parts.push(...symmetric.seal(payload));
    return Buffer.concat(parts);
  }

  /** The payload. @throws where it is not what a peer of this pattern and these keys wrote. */
  read(message: Buffer): Buffer {
    const symmetric = this.#symmetric;
    let rest = message;
    const take = (length: number): Buffer => {
      if (rest.length < length) throw new RangeError('a handshake message is too short');
      const part = rest.subarray(0, length);
      rest = rest.subarray(length);
      return part;
    };
    for (const token of this.#takeTokens()) {
      if (token === 'e') {
        this.#remoteEphemeral = publicKeyFrom(take(KEY_BYTES));
        symmetric.mixHash(this.#remoteEphemeral.bytes);
      } else if (token === 's') {
        const sealed = take(KEY_BYTES + symmetric.overhead);
        this.#remote = publicKeyFrom(symmetric.open(sealed));
      } else {
        this.#mixDh(token);
      }
    }
    return symmetric.open(take(Math.max(rest.length, symmetric.overhead)));
  }

  /** Of the complete handshake. */
  split(): { send: CipherState; receive: CipherState } {
    const [initiator, responder] = this.#symmetric.split();
    return this.#initiator
      ? { send: initiator, receive: responder }
      : { send: responder, receive: initiator };
  }

  #takeTokens(): readonly Token[] {
    const tokens = this.#pattern.messages[this.#next];
    if (tokens === undefined) throw new RangeError('the handshake is complete');
    this.#next += 1;
    return tokens;
  }

  #mixKnown(ours: boolean, remote: PublicKey | undefined): void {
    if (!ours) this.#remote = remote;
    this.#symmetric.mixHash(ours ? this.#local.publicKey : required(remote).bytes);
  }

  #mixDh(token: Exclude<Token, 'e' | 's'>): void {
    // The first letter is the initiator's key.
    const [first, second] = token;
    const [ours, theirs] = this.#initiator ? [first, second] : [second, first];
    const pair = ours === 'e' ? this.#ephemeral : this.#local;
    const key = theirs === 'e' ? this.#remoteEphemeral : this.#remote;
    this.#symmetric.mixKey(dh(required(pair), required(key)));
  }
}

/** Every pattern brings a key before it is used; the control plane has asked for known ones. */
function required<T>(key: T | undefined): T {
  if (key === undefined) throw new RangeError('the pattern wants a key that is not configured');
  return key;
}
