/**
 * Data channels of one service that wait for a visitor, and the bookkeeping of those that were
 * requested. Idle channels are read, so that FIN, RST and stray bytes are noticed while nobody uses
 * them (wire-v1 W11); requests that nobody answered are made again (W12).
 *
 * Channels of wire v1 are taken, the longest idle one first, and never come back. Reusable ones are
 * lent, the last one that came back first, so that those that are not needed stay idle and go.
 */
import type { EndReason } from '../engine/reason.ts';
import type { Limits } from '../limits.ts';
import type { ServiceCounters } from './counters.ts';
import type { Link } from './link.ts';
import { channelReason } from './link-end.ts';
import { AdaptiveSizing, PeakSizing, type PoolSizing } from './pool-sizing.ts';

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

interface Usage {
  readonly since: number;
  uses: number;
}

export class Pool {
  readonly #options: PoolOptions;
  /** Longest idle first: each is used before a NAT forgets it. */
  readonly #idle: Link[] = [];
  readonly #usage = new WeakMap<Link, Usage>();
  /** Reusable ones of this session that are in use or on their way back. */
  readonly #lent = new Set<Link>();
  /** When each outstanding request expires, oldest first. */
  #requested: number[] = [];
  #sizing: PoolSizing;
  /** As many channels as wanted have been there at once. */
  #filled = false;
  #expiry: NodeJS.Timeout | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #replacing: NodeJS.Timeout | undefined;
  #waiting = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#sizing = new AdaptiveSizing(options.limits);
  }

  get ready(): number {
    return this.#idle.length;
  }

  get requested(): number {
    return this.#requested.length;
  }

  get target(): number {
    return this.#sizing.asks;
  }

  /** Until `clear` its channels are lent. Those that are idle or requested stay. */
  reuse(): void {
    if (this.#sizing instanceof PeakSizing) return;
    this.#sizing = new PeakSizing(this.#options.limits);
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    this.#armTick();
  }

  /** Takes an authenticated channel over, idle, or ends it. */
  add(link: Link): void {
    const expected = this.#requested.shift() !== undefined;
    if (expected) this.#options.expect(-1);
    const wanted = this.#sizing.ceiling + this.#waiting;
    if (this.#idle.length >= Math.min(wanted, this.#options.limits.channelsPerService)) {
      // One that we asked for is merely late.
      this.#options.failed(expected ? 'surplus_channel' : 'channel_limit');
      link.destroy();
      return;
    }
    this.#usage.set(link, { since: performance.now(), uses: 0 });
    this.#keep(link);
    this.#filled ||= this.#idle.length >= this.#sizing.asks;
  }

  /** The longest idle channel, no longer the pool's. */
  take(): Link | undefined {
    for (;;) {
      const link = this.#idle.shift();
      if (link === undefined || isUsable(link)) return link;
    }
  }

  /** The channel that was idle for the shortest time, until `giveBack` or `gone`. */
  lend(): { readonly link: Link; readonly isFirstUse: boolean } | undefined {
    for (;;) {
      const link = this.#idle.pop();
      if (link === undefined) return undefined;
      const usage = this.#usage.get(link);
      if (usage === undefined || !isUsable(link)) continue;
      usage.uses += 1;
      this.#lent.add(link);
      this.#countLent();
      return { link, isFirstUse: usage.uses === 1 };
    }
  }

  /** A lent one, idle again. It is closed when its session is not this one, and when it is worn. */
  giveBack(link: Link): void {
    if (!this.#lent.delete(link)) {
      link.destroy();
      return;
    }
    this.#countLent();
    if (this.#isWorn(link) || this.#idle.length >= this.#sizing.ceiling) {
      this.#options.failed('surplus_channel');
      link.destroy();
      this.refill(this.#waiting);
      return;
    }
    this.#keep(link);
  }

  /** A lent one that does not come back. */
  gone(link: Link): void {
    if (this.#lent.delete(link)) this.#countLent();
  }

  /** A visitor found none ready, `waiting` of them now: aim higher. */
  miss(waiting: number): void {
    // While the first channels of a session are on their way, a few misses say nothing about
    // demand.
    if (!this.#filled && waiting <= this.#requested.length) return;
    this.#sizing.missed();
    this.#armTick();
  }

  /** Requests what is wanting while `waiting` visitors wait. */
  refill(waiting: number): void {
    this.#waiting = waiting;
    const { limits, request, expect } = this.#options;
    const wanted = Math.min(this.#sizing.asks + waiting, limits.channelsPerService);
    const missing = wanted - this.#idle.length - this.#requested.length;
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
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    this.#sizing = new AdaptiveSizing(this.#options.limits);
    this.#options.expect(-this.#requested.length);
    this.#requested = [];
    this.#filled = false;
    this.#lent.clear();
    for (const link of this.#idle.splice(0)) link.destroy();
  }

  /** Idle, and watched. */
  #keep(link: Link): void {
    this.#idle.push(link);
    if (this.#idle.length > this.#sizing.keeps) this.#armTick();
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

  #drop(link: Link, reason: EndReason): void {
    const at = this.#idle.indexOf(link);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    this.#options.counters.poolStale += 1;
    this.#options.failed(reason);
    link.destroy();
    this.#replacing ??= setTimeout(() => {
      this.#replacing = undefined;
      this.refill(this.#waiting);
    }, REPLACE_MS);
  }

  /** It has served so many visitors, or is so old, that load had better move. */
  #isWorn(link: Link): boolean {
    const { channelUses, channelAgeMs } = this.#options.limits;
    const usage = this.#usage.get(link);
    if (usage === undefined) return true;
    return usage.uses >= channelUses || performance.now() - usage.since >= channelAgeMs;
  }

  #countLent(): void {
    this.#sizing.inUse(this.#lent.size);
    this.#armTick();
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

  #armTick(): void {
    this.#ticking ??= setInterval(() => this.#tick(), this.#sizing.tickMs);
  }

  /** Closes what is idle beyond need: of those that are lent the longest idle, else the newest. */
  #tick(): void {
    const surplus = this.#sizing.tick(this.#idle.length) - this.#waiting;
    if (surplus > 0) {
      const isLending = this.#sizing instanceof PeakSizing;
      const closing = this.#idle.splice(isLending ? 0 : this.#idle.length - surplus, surplus);
      for (const link of closing) {
        this.#options.failed('surplus_channel');
        link.destroy();
      }
    }
    if (!this.#sizing.isQuiet || this.#idle.length > this.#sizing.keeps) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }
}

function isUsable(link: Link): boolean {
  return !link.closed && !link.ended;
}
