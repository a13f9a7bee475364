/**
 * What a peer may send that carries nothing: records and frames without payload cost as much to
 * read as others, and nobody waits for them. A few belong to every transport (tickets, new keys,
 * pings); a flood would keep the event loop from everyone else.
 */
export class Silence {
  readonly #max: number;
  #left: number;

  constructor(max: number) {
    this.#max = max;
    this.#left = max;
  }

  /** How many more may come now. */
  get left(): number {
    return this.#left;
  }

  /** One more may come: who sends one now and then may do so for ever. */
  giveBack(): void {
    if (this.#left < this.#max) this.#left += 1;
  }

  /** So many came. False: it was too much. */
  spend(count: number): boolean {
    this.#left -= count;
    return this.#left >= 0;
  }
}
