/** How many idle channels a pool asks for and keeps: for channels that serve one visitor, and for reusable ones. */
import type { Limits } from '../limits.ts';

export interface PoolSizing {
  /** So many idle ones are asked for, besides one for each visitor that waits. */
  readonly asks: number;
  /** So many are kept; those beyond it are closed in time. */
  readonly keeps: number;
  /** No more are taken. */
  readonly ceiling: number;
  /** `tick` is due that often while it is not quiet. */
  readonly tickMs: number;
  /** Nothing will change by time alone. */
  readonly isQuiet: boolean;
  /** A visitor found none ready in a pool that had been full. */
  missed(): void;
  /** So many channels are in use. */
  inUse(count: number): void;
  /** Time has passed. Returns how many of those idle are to be closed now. */
  tick(idle: number): number;
}

type SizingLimits = Pick<Limits, 'poolFloor' | 'poolCeiling' | 'reuseCeiling'>;

/** Of wire v1: each visitor takes one away, so the pool grows when it was emptied. */
export class AdaptiveSizing implements PoolSizing {
  readonly tickMs = 10_000;
  readonly #limits: SizingLimits;
  #target: number;
  #missed = false;

  constructor(limits: SizingLimits) {
    this.#limits = limits;
    this.#target = limits.poolFloor;
  }

  get asks(): number {
    return this.#target;
  }

  get keeps(): number {
    return this.#target;
  }

  get ceiling(): number {
    return Math.max(this.#target, this.#limits.poolCeiling);
  }

  get isQuiet(): boolean {
    return this.#target <= this.#limits.poolFloor;
  }

  missed(): void {
    this.#missed = true;
    this.#target = Math.min(this.#target * 2, this.#limits.poolCeiling);
  }

  inUse(): void {
    // They do not come back.
  }

  /** A quiet window takes a quarter off what demand had added. */
  tick(idle: number): number {
    const { poolFloor } = this.#limits;
    if (!this.#missed) this.#target = Math.max(poolFloor, Math.floor(this.#target * 0.75));
    this.#missed = false;
    return idle - this.#target;
  }
}

/** Of 10 s, the one under way included: what is not needed for a minute is forgotten at its end. */
const WINDOWS = 5;
const TICKS_PER_WINDOW = 10;

/** Of reusable channels: what was in use at once within the last minute may be again. */
export class PeakSizing implements PoolSizing {
  readonly tickMs = 1_000;
  readonly #limits: SizingLimits;
  /** The most at once in each window, newest first. */
  readonly #peaks: number[] = [0];
  #ticks = 0;
  #inUse = 0;

  constructor(limits: SizingLimits) {
    this.#limits = limits;
  }

  get asks(): number {
    return this.#limits.poolFloor;
  }

  get keeps(): number {
    const { poolFloor } = this.#limits;
    return Math.min(this.ceiling, Math.max(...this.#peaks) - this.#inUse + poolFloor);
  }

  get ceiling(): number {
    // What is asked for must find room.
    return Math.max(this.#limits.reuseCeiling, this.#limits.poolFloor);
  }

  get isQuiet(): boolean {
    return this.#peaks.every((peak) => peak === 0);
  }

  missed(): void {
    // Whoever waits is asked for; the peak shows the rest.
  }

  inUse(count: number): void {
    this.#inUse = count;
    this.#peaks[0] = Math.max(this.#peaks[0] ?? 0, count);
  }

  /** A quarter a second: load that comes back in a moment finds most of them. */
  tick(idle: number): number {
    this.#ticks += 1;
    if (this.#ticks % TICKS_PER_WINDOW === 0) {
      this.#peaks.unshift(this.#inUse);
      this.#peaks.splice(WINDOWS);
    }
    return Math.ceil((idle - this.keeps) / 4);
  }
}
