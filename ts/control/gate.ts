/**
 * Lets so many in at once, the others wait in line. A client with a thousand services must not open a
 * thousand handshakes in one moment: its own server would take it for a flood.
 */

export class Gate {
  readonly #max: number;
  readonly #line: (() => void)[] = [];
  #inside = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs `work` when it is its turn; its turn ends when `work` settles. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#inside >= this.#max) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#inside += 1;
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#inside -= 1;
      // The place goes straight to the next in line.
      else next();
    }
  }
}
