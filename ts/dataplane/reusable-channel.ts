/**
 * A client's data channel that was put to use by the start command of reuse: waits for a START, hands
 * the use over as a link, gets the channel back, and waits again.
 */
import type { EndReason } from '../engine/reason.ts';
import { WordReader } from './channel-words.ts';
import type { Link } from './link.ts';
import { channelReason } from './link-end.ts';
import type { OpenLinks } from './open-links.ts';
import { decodeOrigin, type Origin } from './origin.ts';
import { ReusedLink } from './reused-link.ts';
import type { SessionUses } from './session-uses.ts';

export interface ReusableChannelOptions {
  readonly links: OpenLinks;
  readonly settleMs: number;
  readonly freeMs: number;
  readonly uses: SessionUses;
  /** A visitor. Nobody reads `link` yet. */
  readonly started: (channel: ReusableChannel, link: ReusedLink, origin: Origin) => void;
  /** It waits for a START, the first or, when it `wasUsed`, another one. May end it. */
  readonly waits: (channel: ReusableChannel, wasUsed: boolean) => void;
  /** Without a reason it went with its use, which has one. */
  readonly ended: (channel: ReusableChannel, reason: EndReason | undefined) => void;
}

export class ReusableChannel {
  readonly #link: Link;
  readonly #options: ReusableChannelOptions;
  #words = new WordReader();
  /** The use that has it. */
  #use: ReusedLink | undefined;
  #ended = false;

  /** `rest`: what came behind the start command. */
  constructor(link: Link, rest: Uint8Array, options: ReusableChannelOptions) {
    this.#link = link;
    this.#options = options;
    this.#wait(rest, false);
  }

  /** Ends it if it waits. */
  end(reason: EndReason): void {
    if (this.#ended || this.#use !== undefined) return;
    this.#link.destroy();
    this.#tellEnded(reason);
  }

  /** Ends it, with the use that has it. */
  destroy(): void {
    this.#use?.destroy();
    this.end('destroyed');
  }

  #wait(rest: Uint8Array, wasUsed: boolean): void {
    this.#words = new WordReader();
    this.#options.waits(this, wasUsed);
    if (this.#ended) return;
    const link = this.#link;
    link.setSink({
      data: (chunk) => this.#onData(chunk),
      end: () => this.end('channel_eof'),
      closed: (error) =>
        this.end(
          error === undefined
            ? 'channel_eof'
            : channelReason(error, 'channel_eof', 'stale_channel'),
        ),
    });
    if (rest.byteLength === 0) link.resume();
    else if (!wasUsed) this.#goOn(rest);
    else {
      // A server that fills a chunk with uses is not to have the whole turn.
      const kept = Buffer.from(rest);
      setImmediate(() => this.#goOn(kept));
    }
  }

  #goOn(rest: Uint8Array): void {
    if (this.#onData(rest)) this.#link.resume();
  }

  #onData(chunk: Uint8Array): boolean {
    if (this.#ended) return false;
    this.#words.feed(chunk);
    const word = this.#words.next();
    if (word === undefined) return true;
    const origin = word.kind === 'start' ? decodeOrigin(word.payload) : undefined;
    if (origin === undefined) this.#fail();
    else this.#start(origin);
    return false;
  }

  #start(origin: Origin): void {
    const { links, settleMs, freeMs, uses, started } = this.#options;
    const { visitor } = origin;
    const link: ReusedLink = new ReusedLink(this.#link, {
      links,
      role: 'client',
      head: new Uint8Array(0),
      early: this.#words.rest,
      settleMs,
      freeMs,
      giveUp: (reason) => uses.giveUp(visitor, reason),
      freed: (rest) => {
        uses.delete(visitor, link);
        this.#use = undefined;
        this.#wait(rest, true);
      },
      lost: (fault) => {
        uses.delete(visitor, link);
        this.#use = undefined;
        this.#tellEnded(fault);
      },
    });
    this.#use = link;
    uses.add(visitor, link);
    started(this, link, origin);
  }

  #fail(): void {
    this.#link.abort();
    this.#tellEnded('bad_record');
  }

  #tellEnded(reason: EndReason | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.ended(this, reason);
  }
}
