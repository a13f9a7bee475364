/**
 * Moves bytes both ways between two links until both directions have ended, or one link breaks.
 *
 * `near` is the visitor's side, `far` the local service's. Each direction reads only while the
 * other link takes what was read: that is the back-pressure, and it bounds memory at one read per
 * direction. FIN is passed on as FIN, RST as RST. See engine.ts for the contract.
 */
import type { EndReason } from '../engine/reason.ts';
import type { Limits } from '../limits.ts';
import type { ServiceCounters } from './counters.ts';
import type { Link } from './link.ts';
import { brokenReason } from './link-end.ts';

export interface RelayOptions {
  readonly counters: ServiceCounters;
  readonly limits: Pick<Limits, 'halfCloseIdleMs' | 'closeHoldMs'>;
  /** What a broken link is called here. */
  readonly nearBroken: EndReason;
  readonly farBroken: EndReason;
  /** Bytes of the in direction that were written to `far` before. */
  readonly alreadyIn?: number;
  readonly done: (relay: Relay) => void;
}

/** One direction: from where, to where, and whether its source has ended. */
interface Direction {
  readonly from: Link;
  readonly to: Link;
  bytes: number;
  ended: boolean;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #in: Direction;
  readonly #out: Direction;
  #reason: EndReason | undefined;
  #openLinks = 2;
  #halfClosed: NodeJS.Timeout | undefined;

  constructor(near: Link, far: Link, options: RelayOptions) {
    this.#options = options;
    this.#in = { from: near, to: far, bytes: 0, ended: false };
    this.#out = { from: far, to: near, bytes: 0, ended: false };
    this.#count(this.#in, options.alreadyIn ?? 0);
    this.#run(this.#in, options.nearBroken);
    this.#run(this.#out, options.farBroken);
    // Its FIN may have come while it waited.
    if (near.ended) this.#onEnd(this.#in);
  }

  get bytesIn(): number {
    return this.#in.bytes;
  }

  get bytesOut(): number {
    return this.#out.bytes;
  }

  /** Why it ended; set before `done` is called. */
  get reason(): EndReason {
    return this.#reason ?? 'internal_error';
  }

  /** Aborts both connections. */
  destroy(reason: EndReason): void {
    this.#reason ??= reason;
    this.#in.from.abort();
    this.#out.from.abort();
  }

  #run(direction: Direction, broken: EndReason): void {
    const { from, to } = direction;
    from.readLarge('reused');
    from.setSink({
      data: (chunk) => {
        this.#count(direction, chunk.byteLength);
        // When the other link is gone there is nowhere to deliver to: discard until the end.
        return to.closed || to.write(chunk);
      },
      end: () => this.#onEnd(direction),
      closed: (error) => this.#onClosed(direction, error, broken),
    });
    to.onDrained = () => {
      this.#halfClosed?.refresh();
      from.resume();
    };
    from.resume();
  }

  #count(direction: Direction, length: number): void {
    direction.bytes += length;
    if (direction === this.#in) this.#options.counters.bytesIn += length;
    else this.#options.counters.bytesOut += length;
    this.#halfClosed?.refresh();
  }

  #onEnd(direction: Direction): void {
    direction.ended = true;
    const other = direction === this.#in ? this.#out : this.#in;
    direction.to.end();
    if (other.ended) {
      this.#reason ??= direction === this.#in ? 'local_fin' : 'visitor_fin';
    } else {
      this.#awaitOther(direction.to);
    }
  }

  /**
   * One direction has ended: the other may be silent only so long. Sooner, a goodbye that `to` has
   * held back is said.
   */
  #awaitOther(to: Link): void {
    const { halfCloseIdleMs, closeHoldMs } = this.#options.limits;
    const destroy = (): void => this.destroy('half_close_timeout');
    if (halfCloseIdleMs <= closeHoldMs) {
      this.#halfClosed = setTimeout(destroy, halfCloseIdleMs);
      return;
    }
    this.#halfClosed = setTimeout(() => {
      to.end();
      this.#halfClosed = setTimeout(destroy, halfCloseIdleMs - closeHoldMs);
    }, closeHoldMs);
  }

  /** The link that `direction` reads from is gone. */
  #onClosed(direction: Direction, error: Error | undefined, broken: EndReason): void {
    this.#openLinks -= 1;
    const other = direction === this.#in ? this.#out : this.#in;
    const clean = error === undefined && direction.ended && other.ended;
    if (!clean && !direction.to.closed) {
      this.#reason ??= brokenReason(error, broken);
      // Its own bytes had all arrived: deliver them before the end. Else what is lost shows as RST.
      if (direction.ended) direction.to.endSoon();
      else direction.to.abort();
    }
    if (this.#openLinks === 0) {
      clearTimeout(this.#halfClosed);
      this.#options.done(this);
    }
  }
}
