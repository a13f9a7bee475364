/**
 * Where log lines go: one file descriptor, written asynchronously, one write at a time.
 *
 * A reader that stalls must not stop the relay, so nothing here blocks the thread; a reader that
 * never reads must not eat the memory, so the queue is bounded and what does not fit is counted and
 * told later; a reader that is gone (EPIPE) must not end the daemon, so lines are then dropped.
 * pino's own destination does the first only, and its synchronous flush never returns after EPIPE.
 */
import { write } from 'node:fs';

const QUEUE_MAX_BYTES = 1_048_576;
const WRITE_MAX_BYTES = 65_536;
const BUSY_RETRY_MS = 50;

export interface LogOutputOptions {
  readonly maxBytes?: number;
  /** The line that reports lost lines; without it they are lost in silence. */
  readonly lostLine?: (count: number) => string;
}

/** A destination for pino. It never throws. */
export class LogOutput {
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #lostLine: ((count: number) => string) | undefined;
  readonly #waiting: (() => void)[] = [];
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #lost = 0;
  #state: 'idle' | 'writing' | 'gone' = 'idle';

  constructor(fd: number, options: LogOutputOptions = {}) {
    this.#fd = fd;
    this.#maxBytes = options.maxBytes ?? QUEUE_MAX_BYTES;
    this.#lostLine = options.lostLine;
  }

  write(line: string): void {
    if (this.#state === 'gone') return;
    const bytes = Buffer.from(line);
    if (this.#queuedBytes + bytes.length > this.#maxBytes) {
      this.#lost += 1;
      return;
    }
    this.#push(bytes);
    if (this.#state === 'idle') this.#writeSome();
  }

  /** Resolves when everything is with the system, or cannot be, or `deadlineMs` has passed. */
  flush(deadlineMs: number): Promise<boolean> {
    if (this.#state !== 'writing') return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), deadlineMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  #push(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  #writeSome(): void {
    if (this.#queue.length === 0) this.#reportLost();
    if (this.#queue.length === 0) {
      this.#rest('idle');
      return;
    }
    this.#state = 'writing';
    const chunk = this.#takeChunk();
    write(this.#fd, chunk, 0, chunk.length, null, (error, written) => {
      if (error === null) this.#wrote(chunk, written);
      else this.#failed(chunk, error);
    });
  }

  #takeChunk(): Buffer {
    let count = 0;
    let bytes = 0;
    for (const line of this.#queue) {
      if (count > 0 && bytes + line.length > WRITE_MAX_BYTES) break;
      count += 1;
      bytes += line.length;
    }
    // The bytes stay in the count until they are written: they are still held.
    return Buffer.concat(this.#queue.splice(0, count), bytes);
  }

  #wrote(chunk: Buffer, written: number): void {
    this.#queuedBytes -= written;
    if (written < chunk.length) this.#queue.unshift(chunk.subarray(written));
    this.#writeSome();
  }

  #failed(chunk: Buffer, error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN') {
      this.#queue.unshift(chunk);
      setTimeout(() => this.#writeSome(), BUSY_RETRY_MS);
      return;
    }
    // A full disk may have room again later; a closed pipe has no reader any more.
    this.#lost += this.#queue.length + 1;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#rest(error.code === 'EPIPE' || error.code === 'EBADF' ? 'gone' : 'idle');
  }

  #reportLost(): void {
    if (this.#lost === 0) return;
    const line = this.#lostLine?.(this.#lost);
    this.#lost = 0;
    if (line !== undefined) this.#push(Buffer.from(line));
  }

  #rest(state: 'idle' | 'gone'): void {
    this.#state = state;
    for (const done of this.#waiting.splice(0)) done();
  }
}
