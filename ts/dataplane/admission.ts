/**
 * Caps on tunnel connections that have not shown who they are, in total and per address (wire-v1
 * W1, W2, W14). Channels that we asked a client for do not count against its address, or a burst of
 * visitors would be refused as an attack.
 */
import net from 'node:net';
import type { Limits } from '../limits.ts';
import { addressBytes } from '../protocol/udp-frame.ts';

type Verdict = 'admitted' | 'limit_total' | 'limit_address';

interface Counts {
  /** Unauthenticated connections of an address. */
  readonly open: number;
  /** Channels that are on their way from it. */
  readonly expected: number;
}

const NONE: Counts = { open: 0, expected: 0 };

export class Admission {
  readonly #limits: Limits;
  readonly #counts = new Map<string, Counts>();
  #open = 0;
  /** Connections beyond what was asked for, of all addresses: only they are limited. */
  #strangers = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get unauthenticated(): number {
    return this.#open;
  }

  /** One that is admitted MUST be given back by `leave`, once. */
  enter(host: string): Verdict {
    const address = networkOf(host);
    const counts = this.#counts.get(address) ?? NONE;
    // A flood of strangers never takes the places of channels that were asked for.
    if (counts.open >= counts.expected) {
      const { unauthenticatedTotal, unauthenticatedPerAddress } = this.#limits;
      if (this.#strangers >= unauthenticatedTotal) return 'limit_total';
      if (strangersOf(counts) >= unauthenticatedPerAddress) return 'limit_address';
    }
    this.#open += 1;
    this.#change(address, 1, 0);
    return 'admitted';
  }

  leave(host: string): void {
    this.#open -= 1;
    this.#change(networkOf(host), -1, 0);
  }

  /** `change` more (or fewer) channels are on their way from that address. */
  expect(host: string, change: number): void {
    this.#change(networkOf(host), 0, change);
  }

  #change(address: string, open: number, expected: number): void {
    const before = this.#counts.get(address) ?? NONE;
    const after = { open: before.open + open, expected: before.expected + expected };
    this.#strangers += strangersOf(after) - strangersOf(before);
    if (after.open > 0 || after.expected > 0) this.#counts.set(address, after);
    else this.#counts.delete(address);
  }
}

function strangersOf({ open, expected }: Counts): number {
  return Math.max(0, open - expected);
}

/** Who counts as one: an IPv4 address, or an IPv6 /64, which one host can use all of. */
function networkOf(host: string): string {
  return net.isIPv6(host) ? addressBytes(host).toString('hex', 0, 8) : host;
}
