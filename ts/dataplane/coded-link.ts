/**
 * A link whose bytes are records or frames on the link below. It keeps every rule of `Link`; of
 * what it carries it knows only the codec. While nothing comes and nothing waits it owns no buffer.
 */
import type { SocketAddress } from '../engine/spec.ts';
import { type Link, type LinkSink, NO_SINK, type ReadUse } from './link.ts';
import { LinkFault, type OpenLinks } from './open-links.ts';
import { type Codec, TransportFault } from './transport/codec.ts';

/** Answers of the transport itself are dropped while so much waits to be sent. */
const REPLY_BACKLOG_MAX_BYTES = 65_536;

export class CodedLink implements Link {
  readonly #links: OpenLinks;
  readonly #inner: Link;
  readonly #codec: Codec;
  #sink: LinkSink = NO_SINK;
  /** What was read behind the handshake. */
  #early: Buffer | undefined;
  /** The sink takes data. */
  #reading = false;
  /** What comes next, once the sink takes it: the end of the peer's direction, or a fault. */
  #next: 'end' | TransportFault | undefined;
  #nextIsDue = false;
  #ended = false;
  #gone = false;
  #error: Error | undefined;
  /** Of our direction; `later`: ended, and the goodbye waits for the end of the peer's. */
  #writing: 'open' | 'later' | 'finished' = 'open';
  #corks = 0;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #waitsForDrain = false;
  onDrained: (() => void) | undefined;

  /** Takes over a paused link; `early` is what was read from it and is the codec's. */
  constructor(links: OpenLinks, inner: Link, codec: Codec, early: Uint8Array) {
    this.#links = links;
    this.#inner = inner;
    this.#codec = codec;
    if (early.byteLength > 0) this.#early = Buffer.from(early);
    inner.onDrained = () => this.#onDrained();
    inner.setSink({
      data: (wire) => this.#onWire(wire),
      end: () => this.#onFin(),
      closed: (error) => this.#onClosed(error),
    });
  }

  get peer(): SocketAddress {
    return this.#inner.peer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get closed(): boolean {
    return this.#inner.closed;
  }

  get backlog(): number {
    return this.#inner.backlog + this.#gatheredBytes;
  }

  setSink(sink: LinkSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.#reading = true;
    if (this.#early === undefined && this.#next === undefined) {
      this.#inner.resume();
    } else if (!this.#nextIsDue) {
      // A sink is never called inside a call of its own.
      this.#nextIsDue = true;
      process.nextTick(this.#onDue);
    }
  }

  pause(): void {
    this.#reading = false;
    if (!this.#ended) this.#inner.pause();
  }

  write(chunk: Uint8Array): boolean {
    if (this.#writing !== 'open' || this.#gone || chunk.byteLength === 0) return true;
    if (this.#corks === 0) return this.#send(chunk);
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.byteLength;
    return false;
  }

  cork(): void {
    this.#corks += 1;
  }

  uncork(): void {
    if (this.#corks > 0) this.#corks -= 1;
    if (this.#corks === 0) this.#flush();
  }

  end(): void {
    if (this.#writing === 'finished' || this.#gone) return;
    this.#flush();
    // Asked again, it says what it has held back.
    this.#finish(this.#ended || this.#writing === 'later');
  }

  endSoon(): void {
    if (this.#gone) return;
    this.#flush();
    if (this.#writing !== 'finished') this.#finish(true);
    this.#inner.endSoon();
  }

  abort(): void {
    this.#gone = true;
    this.#inner.abort();
  }

  destroy(): void {
    this.#gone = true;
    this.#inner.destroy();
  }

  setNoDelay(on: boolean): void {
    this.#inner.setNoDelay(on);
  }

  readLarge(use: ReadUse): void {
    this.#inner.readLarge(use);
  }

  // -- the peer's direction -----------------------------------------------------------------------

  #onWire(wire: Uint8Array): boolean {
    // Nothing behind its end means anything; only FIN is awaited.
    if (this.#ended || this.#gone || this.#next !== undefined) return true;
    const bytes = Buffer.from(wire.buffer, wire.byteOffset, wire.byteLength);
    const { plain, ended, reply, fault } = this.#codec.open(bytes);
    if (reply !== undefined && this.#inner.backlog < REPLY_BACKLOG_MAX_BYTES) this.#answer(reply);
    if (plain !== undefined) {
      this.#reading = false;
      // A `resume` inside the call wins.
      if (this.#sink.data(plain)) this.#reading = true;
      if (this.#gone) return false;
    }
    this.#next = fault ?? (ended ? 'end' : undefined);
    if (ended) this.#inner.peerIsDone?.();
    if (this.#reading) this.#tellNext();
    return this.#reading || this.#ended;
  }

  /** Ours are whole records or frames: between them an answer is always in place. */
  #answer(reply: Uint8Array): void {
    if (this.#writing !== 'finished' && !this.#gone) this.#inner.write(reply);
  }

  #onFin(): void {
    if (this.#ended || this.#next !== undefined) return;
    this.#next = this.#codec.fin() ?? 'end';
    if (this.#reading) this.#tellNext();
  }

  readonly #onDue = (): void => {
    this.#nextIsDue = false;
    const early = this.#early;
    if (!this.#reading || this.#gone) return;
    try {
      if (early !== undefined) {
        this.#early = undefined;
        if (!this.#onWire(early)) return;
      }
      this.#tellNext();
      if (!this.#gone) this.#inner.resume();
    } catch (error) {
      this.#links.fault(error);
      this.#fail(new LinkFault('a callback failed', { cause: error }));
    }
  };

  #tellNext(): void {
    const next = this.#next;
    if (next === undefined || this.#gone) return;
    this.#next = undefined;
    if (next !== 'end') {
      this.#fail(next);
      return;
    }
    this.#ended = true;
    this.#sink.end();
    if (this.#writing === 'later') this.#finish(true);
    else if (this.#writing === 'finished' && !this.#codec.sendsFin) this.#inner.endSoon();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.abort();
  }

  #onClosed(error: Error | undefined): void {
    const next = this.#next;
    this.#next = undefined;
    this.#early = undefined;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#gone = true;
    const sink = this.#sink;
    this.#sink = NO_SINK;
    this.onDrained = undefined;
    // What the sink was not ready for: it shall not be lost.
    const fault = next === 'end' ? undefined : next;
    sink.closed(this.#error ?? fault ?? this.#cutBelow(error));
  }

  /** The layer below was cut between two records of its own: perhaps inside one of ours. */
  #cutBelow(error: Error | undefined): Error | undefined {
    if (this.#ended || !(error instanceof TransportFault) || !error.betweenRecords) return error;
    return this.#codec.fin() ?? error;
  }

  // -- our direction ------------------------------------------------------------------------------

  #send(plain: Uint8Array): boolean {
    const pieces = this.#codec.seal(plain);
    const inner = this.#inner;
    if (pieces.length === 1 && pieces[0] !== undefined) {
      if (inner.write(pieces[0])) return true;
    } else {
      inner.cork();
      for (const piece of pieces) inner.write(piece);
      inner.uncork();
      if (inner.backlog === 0) return true;
    }
    this.#waitsForDrain = true;
    return false;
  }

  /** Sends what was gathered while corked. */
  #flush(): void {
    this.#corks = 0;
    if (this.#gathered.length === 0) return;
    const plain = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (this.#gone || !this.#send(plain)) return;
    // Its writer was told to wait.
    this.#waitsForDrain = true;
    process.nextTick(this.#onFlushed);
  }

  readonly #onFlushed = (): void => {
    try {
      if (this.#inner.backlog === 0) this.#onDrained();
    } catch (error) {
      this.#links.fault(error);
      this.#fail(new LinkFault('a callback failed', { cause: error }));
    }
  };

  #onDrained(): void {
    if (!this.#waitsForDrain || this.#gathered.length > 0) return;
    this.#waitsForDrain = false;
    this.onDrained?.();
  }

  #finish(last: boolean): void {
    const goodbye = this.#codec.finish(last);
    if (goodbye === 'later') {
      this.#writing = 'later';
      return;
    }
    this.#writing = 'finished';
    if (goodbye.byteLength > 0) this.#inner.write(goodbye);
    if (this.#codec.sendsFin) this.#inner.end();
    else if (this.#ended) this.#inner.endSoon();
  }
}
