/**
 * Two links with nothing but memory between them, whose test decides when how many bytes arrive. Strict
 * about memory: what the reader was lent is overwritten as soon as the rules of `Link` allow it.
 */
import type { Link, LinkSink } from '../../ts/dataplane/link.ts';

const OVERWRITTEN = 0xee;

export class PipeLink implements Link {
  readonly peer = { host: '127.0.0.1', port: 1 };
  ended = false;
  closed = false;
  onDrained: (() => void) | undefined;
  /** Everything that was written, in order. */
  readonly tap: Buffer[] = [];
  readonly #capacity: number;
  #other: PipeLink | undefined;
  #sink: LinkSink | undefined;
  #reading = false;
  #resumed = false;
  #lent: Buffer | undefined;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #corks = 0;
  #isFinished = false;
  #waitsForDrain = false;

  private constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The system takes `capacity` bytes at each end before it makes a writer wait. */
  static pair(capacity: number): [PipeLink, PipeLink] {
    const ends: [PipeLink, PipeLink] = [new PipeLink(capacity), new PipeLink(capacity)];
    ends[0].#other = ends[1];
    ends[1].#other = ends[0];
    return ends;
  }

  get backlog(): number {
    return this.#corks > 0 ? this.#queued : Math.max(0, this.#queued - this.#capacity);
  }

  /** Bytes on their way from here. */
  get underWay(): number {
    return this.#queued;
  }

  setSink(sink: LinkSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.#resumed = true;
    this.#reading = true;
    this.#overwrite();
  }

  pause(): void {
    this.#reading = false;
  }

  write(chunk: Uint8Array): boolean {
    if (this.closed || this.#isFinished) return true;
    this.tap.push(Buffer.from(chunk));
    this.#queued += chunk.byteLength;
    // What has to wait stays where it is.
    this.#queue.push(this.backlog === 0 ? Buffer.from(chunk) : chunk);
    this.#waitsForDrain ||= this.backlog > 0;
    return this.backlog === 0;
  }

  cork(): void {
    this.#corks += 1;
  }

  uncork(): void {
    this.#corks = Math.max(0, this.#corks - 1);
  }

  end(): void {
    this.#isFinished = true;
  }

  endSoon(): void {
    this.end();
  }

  /** RST: what is under way is lost. */
  abort(): void {
    this.#reset(undefined);
    const other = this.#other;
    if (other !== undefined)
      other.#reset(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  destroy(): void {
    this.#isFinished = true;
    this.#close(undefined);
  }

  setNoDelay(): void {}

  readLarge(): void {}

  // -- the network --------------------------------------------------------------------------------

  /** Up to so many bytes of what was written here arrive, if the other end reads; then FIN, if due. */
  carry(length: number): void {
    const other = this.#other;
    if (other === undefined || other.closed || !other.#reading) return;
    const bytes = this.#take(Math.min(length, this.#queued));
    if (bytes.length > 0) other.#receive(bytes);
    if (this.#waitsForDrain && this.backlog === 0) {
      this.#waitsForDrain = false;
      this.onDrained?.();
    }
    if (this.#isFinished && this.#queued === 0 && other.#reading && !other.ended) {
      other.ended = true;
      other.#sink?.end();
    }
  }

  #take(length: number): Buffer {
    const all = Buffer.concat(this.#queue);
    this.#queue = length < all.length ? [all.subarray(length)] : [];
    this.#queued -= length;
    return all.subarray(0, length);
  }

  #receive(bytes: Buffer): void {
    const lent = Buffer.from(bytes);
    this.#lent = lent;
    this.#resumed = false;
    const goOn = this.#sink?.data(lent) === true || this.#resumed;
    if (goOn) this.#overwrite();
    this.#reading = goOn;
  }

  #overwrite(): void {
    this.#lent?.fill(OVERWRITTEN);
    this.#lent = undefined;
  }

  #reset(error: Error | undefined): void {
    this.#queue = [];
    this.#queued = 0;
    this.#close(error);
  }

  #close(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    queueMicrotask(() => this.#sink?.closed(error));
  }
}
