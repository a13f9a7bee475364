/**
 * The first use of a reusable channel, shown as wire v1 would show it: v1's start, the bytes, FIN or RST.
 * So what a test says of a visitor holds for both. What is not a use (another start, bytes before it) goes
 * through as it is.
 */
import { Duplex } from 'node:stream';
import { START_TCP } from '../../ts/protocol/wire.ts';
import { Peer, type PeerSocket } from './peer.ts';
import {
  ABORT_VALUE,
  DATA_MAX,
  data,
  END,
  FREE_VALUE,
  PUT_TO_USE,
  START_VALUE,
  start,
  WORD_LENGTH,
} from './peer-words.ts';

/** A channel as it is used once, in place of `peer`. */
export function useOf(peer: Peer, role: 'client' | 'server', visitor: number): Peer {
  const { socket, raw } = peer;
  for (const name of ['data', 'end', 'error', 'close']) socket.removeAllListeners(name);
  const use = new UseSocket(socket, role, visitor);
  const early = peer.take(peer.buffered);
  if (early.length > 0) use.feed(early);
  return new Peer(use, { raw });
}

export class UseSocket extends Duplex {
  readonly #below: PeerSocket;
  readonly #role: 'client' | 'server';
  readonly #visitor: number;
  /** What came and is not whole yet. */
  #kept: Buffer = Buffer.alloc(0);
  /** Of the record under way. */
  #owed = 0;
  /** The start command has gone through; nothing but v1's own was said. */
  #isStarted: boolean;
  #isV1 = false;
  /** Of our start, as v1 says it. */
  #toStart: Buffer = Buffer.alloc(0);
  #isOver = false;
  bytesWritten = 0;

  constructor(below: PeerSocket, role: 'client' | 'server', visitor: number) {
    super({ allowHalfOpen: true });
    this.#below = below;
    this.#role = role;
    this.#visitor = visitor;
    this.#isStarted = role === 'server';
    below.on('data', (bytes: Buffer) => this.feed(bytes));
    below.on('end', () => this.#belowEnded());
    below.on('error', (error) => this.destroy(error));
    below.on('close', () => this.destroy());
  }

  feed(bytes: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    while (this.#step());
  }

  override _read(): void {
    this.#below.resume();
  }

  override _write(
    payload: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.bytesWritten += payload.length;
    this.#below.write(this.#encode(payload), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#isUsed) this.#below.write(END, () => done());
    else this.#below.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // A use that has ended as it should leaves the channel to who tests.
    const isClean = error === null && this.#isOver && this.writableFinished;
    if (!isClean) this.#below.destroy();
    done(error);
  }

  get #isUsed(): boolean {
    if (this.#role === 'client') return this.#isStarted;
    return this.#toStart.length === START_TCP.length && !this.#isV1;
  }

  #encode(payload: Buffer): Buffer {
    if (this.#isV1) return payload;
    if (this.#role === 'client' || this.#toStart.length === START_TCP.length) return data(payload);
    const before = this.#toStart.length;
    this.#toStart = Buffer.concat([this.#toStart, payload]).subarray(0, START_TCP.length);
    if (this.#toStart.length < START_TCP.length) return Buffer.alloc(0);
    const rest = payload.subarray(START_TCP.length - before);
    if (!this.#toStart.equals(START_TCP)) {
      this.#isV1 = true;
      return Buffer.concat([this.#toStart, rest]);
    }
    const words = [PUT_TO_USE, start(this.#visitor), ...(rest.length > 0 ? [data(rest)] : [])];
    return Buffer.concat(words);
  }

  /** Takes one thing off what came; false: nothing is whole. */
  #step(): boolean {
    if (this.#kept.length === 0 || this.destroyed) return false;
    if (this.#owed > 0) return this.#payload();
    if (this.#kept.length < WORD_LENGTH) return false;
    const value = this.#kept.readUInt32LE();
    if (!this.#isStarted) return this.#putToUse();
    if (value === 0) {
      this.#cut(WORD_LENGTH);
      this.#isOver = true;
      this.push(null);
    } else if (value <= DATA_MAX) {
      this.#cut(WORD_LENGTH);
      this.#owed = value;
    } else if (value === ABORT_VALUE) {
      this.destroy(Object.assign(new Error('ABORT'), { code: 'ECONNRESET' }));
    } else if (value === START_VALUE) {
      return this.#start();
    } else if (value === FREE_VALUE) {
      this.#cut(WORD_LENGTH);
    } else {
      this.destroy(new Error(`no word: ${value}`));
    }
    return true;
  }

  #payload(): boolean {
    const bytes = this.#kept.subarray(0, this.#owed);
    this.#owed -= bytes.length;
    this.#cut(bytes.length);
    if (!this.push(bytes)) this.#below.pause();
    return true;
  }

  #putToUse(): boolean {
    if (!this.#kept.subarray(0, WORD_LENGTH).equals(PUT_TO_USE)) {
      this.destroy(new Error(`not put to use: ${this.#kept.toString('hex')}`));
      return false;
    }
    this.#cut(WORD_LENGTH);
    this.#isStarted = true;
    return true;
  }

  #start(): boolean {
    const headLength = WORD_LENGTH + 2;
    if (this.#kept.length < headLength) return false;
    const length = this.#kept.readUInt16LE(WORD_LENGTH);
    if (this.#kept.length < headLength + length) return false;
    this.#cut(headLength + length);
    this.push(START_TCP);
    return true;
  }

  #belowEnded(): void {
    if (this.#isOver) return;
    if (this.#isUsed) this.destroy(Object.assign(new Error('its end'), { code: 'ECONNRESET' }));
    else this.push(null);
  }

  #cut(length: number): void {
    this.#kept = this.#kept.subarray(length);
  }
}
