/**
 * The uses of reusable channels in one session, by number: what the control channel says of one finds
 * it here, and what has to be said of one goes out here, for as long as the session lasts.
 */
import type { ReusedLink } from './reused-link.ts';

export class SessionUses {
  readonly #uses = new Map<bigint, ReusedLink>();
  readonly #tell: (visitor: bigint, reason: number) => boolean;
  #last = 0n;

  /** `tell`: sends *gave up*; false when there is no way any more. */
  constructor(tell: (visitor: bigint, reason: number) => boolean) {
    this.#tell = tell;
  }

  /** The number of the next use, of a server. */
  next(): bigint {
    this.#last += 1n;
    return this.#last;
  }

  add(visitor: bigint, use: ReusedLink): void {
    this.#uses.set(visitor, use);
  }

  /** Another one may have got its number, from a peer that cannot count. */
  delete(visitor: bigint, use: ReusedLink): void {
    if (this.#uses.get(visitor) === use) this.#uses.delete(visitor);
  }

  giveUp(visitor: bigint, reason: number): boolean {
    return this.#tell(visitor, reason);
  }

  /** One that has ended here meanwhile is unknown; nothing is left to do for it. */
  peerGaveUp(visitor: bigint, reason: number): void {
    this.#uses.get(visitor)?.peerGaveUp(reason);
  }
}
