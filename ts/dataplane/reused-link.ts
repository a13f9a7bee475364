/**
 * One use of a reusable data channel, as a link: what the relay writes goes out as records on the link
 * below, what comes as records is read here, END is the end, ABORT an error with its reason. When both
 * directions are through, the link below goes back to whom it came from (docs/wire.md).
 *
 * The channel and who reads this link need not end together: a channel may still be settling when its
 * visitor has gone, and be at the next visitor while a slow local service takes the last bytes.
 */
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';
import { AbortedUse, abortNumber, abortReason } from './abort-reason.ts';
import { type ChannelRole, ChannelUse } from './channel-use.ts';
import { abortWord, endWord, freeWord, type Word, WordReader } from './channel-words.ts';
import { type Link, type LinkSink, NO_SINK, type ReadUse } from './link.ts';
import { LinkFault, type OpenLinks } from './open-links.ts';
import { RecordWriter } from './record-writer.ts';
import { SinkFeed } from './sink-feed.ts';

export interface ReusedLinkOptions {
  readonly links: OpenLinks;
  readonly role: ChannelRole;
  /** What puts the channel to use, of a server; it leaves in one write with the first bytes. */
  readonly head: Uint8Array;
  /** What was read behind START, of a client. */
  readonly early: Uint8Array;
  readonly settleMs: number;
  /** How long a client may take to deliver what it has, before a server closes the channel politely. */
  readonly freeMs: number;
  /** Says on the control channel that this use has ended; false: there is none. */
  readonly giveUp: (reason: number) => boolean;
  /**
   * The link below is idle again, with nobody who reads it; `rest` was read behind this use and is
   * valid during the call. Never inside of a call from above.
   */
  readonly freed: (rest: Uint8Array) => void;
  /** The link below is gone; `bad_record`: its peer broke the rules. Instead of `freed`. */
  readonly lost: (fault: 'bad_record' | undefined) => void;
}

export class ReusedLink implements Link {
  readonly #below: Link;
  readonly #options: ReusedLinkOptions;
  readonly #use: ChannelUse;
  readonly #words = new WordReader();
  readonly #writer: RecordWriter;
  readonly #feed: SinkFeed;
  #dueIsSet = false;
  /** `discarding`: after our ABORT. `over`: the link below is not ours any more. */
  #channel: 'ours' | 'discarding' | 'given up' | 'over' = 'ours';
  #settling: NodeJS.Timeout | undefined;
  /** The link below is handing us data. */
  #isReading = false;
  #isFree = false;
  #waitsForDrain = false;
  /** Why the use is given up as soon as all is written. */
  #leaves: { readonly reason: EndReason | undefined } | undefined;
  onDrained: (() => void) | undefined;

  /** Takes over a link that nobody reads, at START. */
  constructor(below: Link, options: ReusedLinkOptions) {
    const { role, head, early } = options;
    this.#below = below;
    this.#options = options;
    this.#use = new ChannelUse(role);
    if (role === 'server') this.#use.say('start');
    else this.#use.hear('start');
    this.#writer = new RecordWriter(below, this.#use, head);
    this.#feed = new SinkFeed(options.links);
    if (early.byteLength > 0) this.#words.feed(Buffer.from(early));
    below.onDrained = () => this.#onDrained();
    below.setSink({
      data: (chunk) => this.#onBelow(chunk),
      end: () => this.#onFin(),
      closed: (error) => this.#onGone(error),
    });
    if (head.byteLength === 0) return;
    // What this turn still reads leaves with it.
    this.cork();
    setImmediate(() => this.#guard(() => this.uncork()));
  }

  get peer(): SocketAddress {
    return this.#below.peer;
  }

  get ended(): boolean {
    return this.#feed.hasEnded;
  }

  get closed(): boolean {
    return this.#feed.isClosed;
  }

  get backlog(): number {
    return this.#isOver ? 0 : this.#below.backlog + this.#writer.waiting;
  }

  setSink(sink: LinkSink): void {
    this.#feed.setSink(sink);
  }

  resume(): void {
    if (this.closed) return;
    this.#feed.isReading = true;
    if (!this.#feed.isWaiting && this.#words.rest.byteLength === 0) {
      if (!this.#isOver) this.#below.resume();
    } else if (!this.#dueIsSet) {
      // A sink is never called inside a call of its own.
      this.#dueIsSet = true;
      process.nextTick(this.#onDue);
    }
  }

  /** What comes meanwhile is held, and stops the link below. */
  pause(): void {
    this.#feed.isReading = false;
  }

  write(chunk: Uint8Array): boolean {
    if (this.closed || this.#use.ownIsOut || chunk.byteLength === 0) return true;
    const waits = this.#writer.isCorked;
    this.#writer.data(chunk);
    if (!waits && this.#below.backlog === 0) return true;
    this.#waitsForDrain = true;
    return false;
  }

  cork(): void {
    this.#writer.cork();
  }

  uncork(): void {
    if (!this.#writer.uncork() || this.closed || this.#writer.waiting === 0) return;
    this.#writer.flush();
    // Its writer was told to wait.
    if (this.#waitsForDrain) process.nextTick(this.#onFlushed);
  }

  end(): void {
    if (this.closed || this.#use.ownIsOut) return;
    this.#say('end');
    // From now on a short use is taken whether or not it is read.
    if (!this.#feed.isReading) this.#readOn();
    this.#checkOver();
  }

  endSoon(reason?: EndReason): void {
    this.end();
    // Else it ends by itself.
    if (this.closed || this.#isOver || this.#use.peersIsIn) return;
    this.#leaves = { reason };
    if (this.#below.backlog === 0) this.#giveUp(reason);
  }

  abort(reason?: EndReason): void {
    if (this.closed) return;
    if (this.#isOver) {
      this.#close(undefined);
      return;
    }
    if (this.#writer.waiting > 0) this.#writer.flush();
    if (!this.#use.mayAbort(this.#below.backlog)) {
      this.#giveUp(reason);
      return;
    }
    this.#say('abort', abortNumber(this.#options.role, reason));
    this.#channel = 'discarding';
    this.#close(undefined);
    this.#settle();
    this.#readOn();
    this.#checkOver();
  }

  destroy(): void {
    this.#close(undefined);
    if (this.#isOver) return;
    this.#leave();
    this.#below.destroy();
    this.#options.lost(undefined);
  }

  setNoDelay(on: boolean): void {
    if (!this.#isOver) this.#below.setNoDelay(on);
  }

  readLarge(use: ReadUse): void {
    if (!this.#isOver) this.#below.readLarge(use);
  }

  /** The peer has said on the control channel that it ends this use, and cannot say so on this one. */
  peerGaveUp(reason: number): void {
    // One that only waits for FREE has ended.
    if (this.#isOver || this.#use.state !== 'busy') return;
    this.#break(new AbortedUse(abortReason(this.#peerRole, reason)));
  }

  get #isOver(): boolean {
    return this.#channel === 'over';
  }

  get #peerRole(): ChannelRole {
    return this.#options.role === 'server' ? 'client' : 'server';
  }

  // -- the peer's direction -----------------------------------------------------------------------

  #onBelow(chunk: Uint8Array): boolean {
    if (this.#isOver) return false;
    if (this.#isLeft) return true;
    this.#words.feed(chunk);
    this.#isReading = true;
    const goOn = this.#handleWords();
    this.#isReading = false;
    if (!this.#isFree) return goOn;
    // Within the call: what comes next has somebody who reads it.
    this.#free();
    return false;
  }

  /** Handles words for as long as that is allowed. True: there may be more below. */
  #handleWords(): boolean {
    while (!this.#isOver && this.#use.state !== 'idle') {
      const limit = this.#limit();
      if (limit === undefined) return false;
      const word = this.#words.next(limit);
      if (word === undefined) return this.#words.rest.byteLength === 0;
      const length = word.kind === 'data' ? word.bytes.byteLength : 0;
      if (!this.#use.hear(word.kind, length)) {
        this.#break(new Error('the peer sent what is no part of a use'), 'bad_record');
        return false;
      }
      this.#handle(word);
    }
    // What is behind is not of this use.
    return this.#words.rest.byteLength === 0;
  }

  /** How much payload is taken now; undefined: no word either, it waits behind what is not taken. */
  #limit(): number | undefined {
    const isFree = this.closed || this.#use.peersIsIn || this.#feed.isTaking;
    return isFree ? Number.POSITIVE_INFINITY : this.#use.room;
  }

  #handle(word: Word): void {
    switch (word.kind) {
      case 'data':
        // Reading may go on although the sink holds it: then it must not be the link's memory.
        this.#feed.give(this.#use.isShort ? Buffer.from(word.bytes) : word.bytes);
        return;
      case 'end':
        this.#onEnd();
        break;
      case 'abort':
        this.#onAbort(word.reason);
        break;
    }
    this.#checkOver();
  }

  #onEnd(): void {
    this.#below.readLarge('cautious');
    if (this.#use.owesFree) this.#below.write(this.#sayFree());
    this.#feed.end();
  }

  #onAbort(reason: number): void {
    this.#writer.forget();
    if (!this.#use.ownIsOut) this.#say('abort', reason);
    this.#close(new AbortedUse(abortReason(this.#peerRole, reason)));
  }

  readonly #onDue = (): void => {
    this.#dueIsSet = false;
    this.#guard(() => {
      this.#feed.flush();
      if (!this.#feed.isReading || this.closed) return;
      this.#readOn();
      this.#checkOver();
    });
  };

  /** Goes on with what was read, then with the link below. */
  #readOn(): void {
    if (this.#isOver) return;
    const goOn = this.#isLeft || this.#handleWords();
    if (goOn && !this.#isOver) this.#below.resume();
  }

  /**
   * Given up, with nobody to hear what comes. A client goes on behind its own END: a server that had
   * sent its own does not miss this use any more, and may be at the next one.
   */
  get #isLeft(): boolean {
    const mayComeBack = this.#options.role === 'client' && this.#use.ownIsOut;
    return this.#channel === 'given up' && !mayComeBack;
  }

  #onFin(): void {
    if (this.#isOver) return;
    const isThrough = this.#use.state !== 'busy' && this.#feed.hasEnded;
    if (isThrough) this.#close(undefined);
    this.#break(new Error('the data channel ended within a use'));
  }

  #onGone(error: Error | undefined): void {
    if (this.#isOver) return;
    const isThrough = this.#use.state !== 'busy' && this.#feed.hasEnded && error === undefined;
    this.#close(isThrough ? undefined : (error ?? new Error('the data channel closed')));
    this.#leave();
    this.#options.lost(undefined);
  }

  // -- our direction ------------------------------------------------------------------------------

  #say(terminal: 'end' | 'abort', reason = 0): void {
    this.#writer.flush(() => {
      this.#use.say(terminal);
      const last = terminal === 'end' ? endWord() : abortWord(reason);
      return this.#use.owesFree ? Buffer.concat([last, this.#sayFree()]) : last;
    });
  }

  #sayFree(): Uint8Array {
    this.#use.say('free');
    return freeWord();
  }

  readonly #onFlushed = (): void => {
    if (this.#isOver || this.#below.backlog > 0) return;
    this.#guard(() => this.#onDrained());
  };

  #onDrained(): void {
    if (this.#leaves !== undefined && !this.#use.peersIsIn) this.#giveUp(this.#leaves.reason);
    this.#checkOver();
    if (!this.#waitsForDrain || this.#writer.waiting > 0) return;
    this.#waitsForDrain = false;
    this.onDrained?.();
  }

  // -- ends ---------------------------------------------------------------------------------------

  /** Both directions are through: tells so, and gives the link below back once it is idle. */
  #checkOver(): void {
    if (this.#use.state === 'busy' || this.#isLeft) return;
    const isWritten = this.#isOver || this.#below.backlog === 0;
    if (!isWritten) return;
    if (this.#feed.hasEnded) this.#close(undefined);
    if (this.#use.state === 'free') this.#awaitFree();
    if (this.#use.state !== 'idle' || this.#isOver) return;
    // The next START may be there already, at a client; a server is owed nothing.
    const isMore = this.#words.rest.byteLength > 0 && this.#options.role === 'server';
    if (isMore || this.#words.isCut) {
      this.#break(new Error('the peer sent bytes behind a use'), 'bad_record');
      return;
    }
    this.#leave();
    this.#below.readLarge('cautious');
    this.#isFree = true;
    if (this.#isReading) return;
    // Until then nobody reads it.
    this.#below.pause();
    queueMicrotask(() => this.#free());
  }

  #free(): void {
    if (this.#below.closed) {
      this.#options.lost(undefined);
      return;
    }
    try {
      this.#options.freed(this.#words.rest);
    } catch (error) {
      this.#options.links.fault(error);
      this.#below.abort();
    }
  }

  /** The peer can be told nothing in band. */
  #giveUp(reason: EndReason | undefined): void {
    this.#leaves = undefined;
    this.#close(undefined);
    if (this.#channel !== 'ours') return;
    if (!this.#options.giveUp(abortNumber(this.#options.role, reason))) {
      this.#break(undefined);
      return;
    }
    this.#channel = 'given up';
    this.#settle();
    // To see when the peer closes it.
    this.#readOn();
  }

  #settle(): void {
    this.#settling = setTimeout(() => this.#break(undefined), this.#options.settleMs);
  }

  /** The client may still deliver what it has: it is not disturbed, but not waited for endlessly. */
  #awaitFree(): void {
    this.#settling ??= setTimeout(() => this.destroy(), this.#options.freeMs);
  }

  /** Ends the use, if it has not, and the channel by RST. */
  #break(error: Error | undefined, fault?: 'bad_record'): void {
    this.#close(error);
    if (this.#isOver) return;
    this.#leave();
    this.#below.abort();
    this.#options.lost(fault);
  }

  /** The link below is not ours any more. */
  #leave(): void {
    this.#channel = 'over';
    clearTimeout(this.#settling);
    this.#below.onDrained = undefined;
    this.#below.setSink(NO_SINK);
  }

  #close(error: Error | undefined): void {
    this.onDrained = undefined;
    this.#feed.close(error);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.links.fault(error);
      this.#break(new LinkFault('a callback failed', { cause: error }));
    }
  }
}
