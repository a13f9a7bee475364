/**
 * Caps on tunnel connections that have not shown who they are, in total and per address (wire-v1
 * W1, W2, W14). Channels that we asked a client for do not count against its address, or a burst of
 * visitors would be refused as an attack.
 */
import net from 'node:net';
import type { Limits } from '../limits.ts';
import { addressBytes } from '../protocol/udp-frame.ts';

type Verdict = 'admitted' | 'limit_total' | 'limit_address';

export class Admission {
  readonly #limits: Limits;
  readonly #perAddress = new Map<string, number>();
  readonly #expected = new Map<string, number>();
  #total = 0;
  #expectedTotal = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get unauthenticated(): number {
    return this.#total;
  }

  /** An admitted connection MUST be given back by `leave`, once. */
  enter(host: string): Verdict {
    const address = networkOf(host);
    const ofAddress = this.#perAddress.get(address) ?? 0;
    const expected = this.#expected.get(address) ?? 0;
    if (this.#total >= this.#limits.unauthenticatedTotal + this.#expectedTotal) {
      return 'limit_total';
    }
    if (ofAddress >= this.#limits.unauthenticatedPerAddress + expected) return 'limit_address';
    this.#total += 1;
    this.#perAddress.set(address, ofAddress + 1);
    return 'admitted';
  }

  leave(host: string): void {
    this.#total -= 1;
    add(this.#perAddress, networkOf(host), -1);
  }

  /** `change` more (or fewer) channels are on their way from that address. */
  expect(host: string, change: number): void {
    this.#expectedTotal += change;
    add(this.#expected, networkOf(host), change);
  }
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const value = (counts.get(key) ?? 0) + change;
  if (value > 0) counts.set(key, value);
  else counts.delete(key);
}

/** Who counts as one: an IPv4 address, or an IPv6 /64, which one host can use all of. */
function networkOf(host: string): string {
  return net.isIPv6(host) ? addressBytes(host).toString('hex', 0, 8) : host;
}
