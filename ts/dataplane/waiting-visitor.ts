/**
 * A visitor that waits for a data channel. It is read meanwhile, into a stash of at most one read,
 * so that one that leaves is noticed (wire-v1 W13) and the first bytes go out with the start
 * command.
 */
import type { EndReason } from '../engine/reason.ts';
import type { Limits } from '../limits.ts';
import type { Link } from './link.ts';

/** Reading stops here; what is with the system comes later. A stranger can have us keep this much. */
const STASH_MAX_BYTES = 8_192;

export class WaitingVisitor<L extends Link = Link> {
  readonly link: L;
  readonly since: number = Date.now();
  readonly #left: (visitor: WaitingVisitor<L>, reason: EndReason) => void;
  readonly #limits: Limits;
  readonly #stash: Uint8Array[] = [];
  #stashed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    link: L,
    limits: Limits,
    left: (visitor: WaitingVisitor<L>, reason: EndReason) => void,
  ) {
    this.link = link;
    this.#limits = limits;
    this.#left = left;
    link.setSink({
      data: (chunk) => this.#onData(chunk),
      end: () => this.#onEnd(),
      closed: () => this.#leave('visitor_left'),
    });
  }

  /** It was not paired at once: from now on the deadline runs and it is watched. */
  wait(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#leave('pool_timeout'), this.#limits.poolWaitMs);
    this.link.resume();
  }

  /** Hands over what it sent so far; the link's next sink is the caller's. */
  takeStash(): readonly Uint8Array[] {
    clearTimeout(this.#timer);
    this.link.pause();
    return this.#stash;
  }

  #onData(chunk: Uint8Array): boolean {
    this.#stash.push(chunk);
    this.#stashed += chunk.byteLength;
    return this.#stashed < STASH_MAX_BYTES;
  }

  #onEnd(): void {
    // FIN behind a request is a half-close and may wait. FIN alone is most likely somebody who
    // left, but need not be: it gets a short while more.
    if (this.#stashed > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#leave('visitor_left'), this.#limits.leaveGraceMs);
  }

  #leave(reason: EndReason): void {
    clearTimeout(this.#timer);
    this.#left(this, reason);
  }
}
