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

/** Two links that are being relayed, by whom ever. */
export interface RunningRelay {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Why it ended; set before `done` is called. */
  readonly reason: EndReason;
  /** Aborts both connections. */
  destroy(reason: EndReason): void;
}

/** Takes both links over; `done` is called when it is through with them, never inside of this. */
export type StartRelay = (near: Link, far: Link, options: RelayOptions) => RunningRelay;

export interface RelayOptions {
  readonly counters: ServiceCounters;
  readonly limits: Pick<Limits, 'halfCloseIdleMs' | 'closeHoldMs'>;
  /** What a broken link is called here. */
  readonly nearBroken: EndReason;
  readonly farBroken: EndReason;
  /** What has to be written to `far`, ahead of everything else. */
  readonly unwritten: readonly Uint8Array[];
  /** How many bytes of that came from `near`. */
  readonly alreadyIn: number;
  readonly done: (relay: RunningRelay) => void;
}

/** One direction: from where, to where, and whether its source has ended. */
interface Direction {
  readonly from: Link;
  readonly to: Link;
  bytes: number;
  ended: boolean;
}

export class Relay implements RunningRelay {
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
    this.#count(this.#in, options.alreadyIn);
    this.#begin(far);
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

  get reason(): EndReason {
    return this.#reason ?? 'internal_error';
  }

  destroy(reason: EndReason): void {
    this.#reason ??= reason;
    this.#in.from.abort(this.#reason);
    this.#out.from.abort(this.#reason);
  }

  /** What is to be written and what this turn still reads: one write. */
  #begin(far: Link): void {
    if (this.#options.unwritten.length === 0) return;
    far.cork();
    for (const chunk of this.#options.unwritten) far.write(chunk);
    setImmediate(() => far.uncork());
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
      if (direction.ended) direction.to.endSoon(this.#reason);
      else direction.to.abort(this.#reason);
    }
    if (this.#openLinks === 0) {
      clearTimeout(this.#halfClosed);
      this.#options.done(this);
    }
  }
}
