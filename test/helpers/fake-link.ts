/**
 * A link without a socket: what was written to it, and a peer that a test plays. As a socket, it tells
 * of its end after the call that caused it.
 */
import type { Link, LinkSink } from '../../ts/dataplane/link.ts';

export class FakeLink implements Link {
  readonly peer = { host: '127.0.0.1', port: 1 };
  readonly written: Buffer[] = [];
  readonly calls: string[] = [];
  ended = false;
  closed = false;
  backlog = 0;
  reading = false;
  onDrained: (() => void) | undefined;
  #sink: LinkSink | undefined;

  get bytes(): Buffer {
    return Buffer.concat(this.written);
  }

  setSink(sink: LinkSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.reading = true;
  }

  pause(): void {
    this.reading = false;
  }

  write(chunk: Uint8Array): boolean {
    this.written.push(Buffer.from(chunk));
    return this.backlog === 0;
  }

  cork(): void {
    this.calls.push('cork');
  }

  uncork(): void {
    this.calls.push('uncork');
  }

  end(): void {
    this.calls.push('end');
  }

  endSoon(): void {
    this.calls.push('endSoon');
  }

  abort(): void {
    this.calls.push('abort');
    queueMicrotask(() => this.#close(undefined));
  }

  destroy(): void {
    this.calls.push('destroy');
    queueMicrotask(() => this.#close(undefined));
  }

  setNoDelay(on: boolean): void {
    this.calls.push(`nodelay ${on}`);
  }

  readLarge(): void {}

  // -- the peer -----------------------------------------------------------------------------------

  peerSends(bytes: Uint8Array | string): boolean {
    const goOn = this.#sink?.data(Buffer.from(bytes)) ?? false;
    this.reading = goOn || this.reading;
    return goOn;
  }

  peerEnds(): void {
    this.ended = true;
    this.#sink?.end();
  }

  peerResets(): void {
    this.#close(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  /** Both directions have ended, or what is below it has failed. */
  closes(error?: Error): void {
    this.#close(error);
  }

  drains(): void {
    this.backlog = 0;
    this.onDrained?.();
  }

  #close(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    this.#sink?.closed(error);
  }
}
