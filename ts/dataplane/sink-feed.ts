/**
 * Who reads a use of a reusable channel, as the use sees it: bytes that it does not take yet are kept
 * here, so that the channel need not wait for it; it hears of the end and of the close once each.
 */
import { type LinkSink, NO_SINK } from './link.ts';
import type { OpenLinks } from './open-links.ts';

export class SinkFeed {
  readonly #links: OpenLinks;
  #sink: LinkSink = NO_SINK;
  #kept: Uint8Array[] = [];
  #end: 'none' | 'due' | 'told' = 'none';
  #isClosed = false;
  /** The sink takes data. */
  isReading = false;

  constructor(links: OpenLinks) {
    this.#links = links;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasEnded(): boolean {
    return this.#end === 'told';
  }

  /** Something waits for the sink. */
  get isWaiting(): boolean {
    return this.#kept.length > 0 || this.#end === 'due';
  }

  /** What is given now is taken at once. */
  get isTaking(): boolean {
    return this.isReading && this.#kept.length === 0;
  }

  setSink(sink: LinkSink): void {
    this.#sink = sink;
  }

  /** `bytes` MUST stay as they are when they are kept. */
  give(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.isTaking) this.#deliver(bytes);
    else this.#kept.push(bytes);
  }

  /** Behind all that was given. */
  end(): void {
    if (this.#isClosed) return;
    this.#end = 'due';
    this.#tellEnd();
  }

  /** The sink reads again: what waits comes first. */
  flush(): void {
    while (this.isReading && !this.#isClosed) {
      const bytes = this.#kept.shift();
      if (bytes === undefined) break;
      this.#deliver(bytes);
    }
    this.#tellEnd();
  }

  /** Never inside of another call; what waits is dropped. */
  close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#kept = [];
    const sink = this.#sink;
    this.#sink = NO_SINK;
    queueMicrotask(() => {
      try {
        sink.closed(error);
      } catch (fault) {
        this.#links.fault(fault);
      }
    });
  }

  #deliver(bytes: Uint8Array): void {
    this.isReading = false;
    // A `resume` inside the call wins.
    if (this.#sink.data(bytes)) this.isReading = true;
  }

  #tellEnd(): void {
    if (this.#end !== 'due' || !this.isTaking || this.#isClosed) return;
    this.#end = 'told';
    this.#sink.end();
  }
}
