/**
 * Data channels of one tcp service that wait for a visitor, and the bookkeeping of those that were
 * requested. Idle channels are read, so that FIN, RST and stray bytes are noticed while nobody uses
 * them (wire-v1 W11); requests that nobody answered are made again (W12).
 */
import type { EndReason } from '../engine/reason.ts';
import type { Limits } from '../limits.ts';
import type { ServiceCounters } from './counters.ts';
import type { Link } from './link.ts';
import { channelReason } from './link-end.ts';

const DECAY_MS = 10_000;
/** A client whose channels die as they come must not be asked at network speed. */
const REPLACE_MS = 50;

export interface PoolOptions {
  readonly limits: Limits;
  readonly counters: ServiceCounters;
  /** Asks the client for channels; false while no session can take the request. */
  readonly request: (count: number) => boolean;
  /** Requested channels changed by this much (for the admission caps). */
  readonly expect: (change: number) => void;
  /** A channel has become ready. */
  readonly ready: () => void;
  readonly failed: (reason: EndReason) => void;
}

export class Pool {
  readonly #options: PoolOptions;
  /** Oldest first: each is used before a NAT forgets it. */
  readonly #idle = new Set<Link>();
  /** When each outstanding request expires, oldest first. */
  #requested: number[] = [];
  #target: number;
  #missed = false;
  /** As many channels as wanted have been there at once. */
  #filled = false;
  #expiry: NodeJS.Timeout | undefined;
  #decay: NodeJS.Timeout | undefined;
  #replacing: NodeJS.Timeout | undefined;
  #waiting = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#target = options.limits.poolFloor;
  }

  get ready(): number {
    return this.#idle.size;
  }

  get requested(): number {
    return this.#requested.length;
  }

  get target(): number {
    return this.#target;
  }

  /** Takes an authenticated channel over, idle, or ends it. */
  add(link: Link): void {
    const expected = this.#requested.shift() !== undefined;
    if (expected) this.#options.expect(-1);
    const { channelsPerService, poolCeiling } = this.#options.limits;
    const wanted = Math.max(this.#target, poolCeiling) + this.#waiting;
    if (this.#idle.size >= Math.min(wanted, channelsPerService)) {
      // One that we asked for is merely late.
      this.#options.failed(expected ? 'surplus_channel' : 'channel_limit');
      link.destroy();
      return;
    }
    this.#idle.add(link);
    this.#filled ||= this.#idle.size >= this.#target;
    if (this.#idle.size > this.#target) this.#armDecay();
    link.setSink({
      data: () => {
        this.#drop(link, 'early_data');
        return false;
      },
      end: () => this.#drop(link, 'stale_channel'),
      closed: (error) => this.#drop(link, channelReason(error, 'stale_channel', 'stale_channel')),
    });
    link.resume();
    this.#options.ready();
  }

  /** The longest idle channel, no longer the pool's. */
  take(): Link | undefined {
    for (const link of this.#idle) {
      this.#idle.delete(link);
      if (!link.closed && !link.ended) return link;
    }
    return undefined;
  }

  /** A visitor found none ready, `waiting` of them now: aim higher. */
  miss(waiting: number): void {
    // While the first channels of a session are on their way, a few misses say nothing about
    // demand.
    if (!this.#filled && waiting <= this.#requested.length) return;
    this.#missed = true;
    this.#target = Math.min(this.#target * 2, this.#options.limits.poolCeiling);
    this.#armDecay();
  }

  /** Requests what is wanting while `waiting` visitors wait. */
  refill(waiting: number): void {
    this.#waiting = waiting;
    const { limits, request, expect } = this.#options;
    const wanted = Math.min(this.#target + waiting, limits.channelsPerService);
    const missing = wanted - this.#idle.size - this.#requested.length;
    if (missing <= 0 || !request(missing)) return;
    const expires = performance.now() + limits.createTimeoutMs;
    for (let i = 0; i < missing; i++) this.#requested.push(expires);
    expect(missing);
    this.#armExpiry();
  }

  /** Forgets everything that belongs to the session that ended, and closes its idle channels. */
  clear(): void {
    clearTimeout(this.#expiry);
    this.#expiry = undefined;
    clearTimeout(this.#replacing);
    this.#replacing = undefined;
    clearInterval(this.#decay);
    this.#decay = undefined;
    this.#target = this.#options.limits.poolFloor;
    this.#options.expect(-this.#requested.length);
    this.#requested = [];
    this.#filled = false;
    for (const link of [...this.#idle]) {
      this.#idle.delete(link);
      link.destroy();
    }
  }

  #drop(link: Link, reason: EndReason): void {
    if (!this.#idle.delete(link)) return;
    this.#options.counters.poolStale += 1;
    this.#options.failed(reason);
    link.destroy();
    this.#replacing ??= setTimeout(() => {
      this.#replacing = undefined;
      this.refill(this.#waiting);
    }, REPLACE_MS);
  }

  #armExpiry(): void {
    const first = this.#requested[0];
    if (this.#expiry !== undefined || first === undefined) return;
    this.#expiry = setTimeout(() => this.#expire(), Math.max(0, first - performance.now()));
  }

  #expire(): void {
    this.#expiry = undefined;
    const now = performance.now();
    const alive = this.#requested.filter((expires) => expires > now);
    this.#options.expect(alive.length - this.#requested.length);
    this.#requested = alive;
    this.refill(this.#waiting);
    this.#armExpiry();
  }

  #armDecay(): void {
    this.#decay ??= setInterval(() => this.#shrink(), DECAY_MS);
  }

  /**
   * A quiet window takes a quarter off what demand had added, and closes what is idle beyond that:
   * the newest, since the oldest are next in turn.
   */
  #shrink(): void {
    const { limits, failed } = this.#options;
    const { poolFloor } = limits;
    if (!this.#missed) this.#target = Math.max(poolFloor, Math.floor(this.#target * 0.75));
    this.#missed = false;
    for (const link of [...this.#idle].slice(this.#target + this.#waiting)) {
      this.#idle.delete(link);
      failed('surplus_channel');
      link.destroy();
    }
    if (this.#target > poolFloor || this.#idle.size > this.#target) return;
    clearInterval(this.#decay);
    this.#decay = undefined;
  }
}
