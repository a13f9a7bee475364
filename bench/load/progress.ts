// The progress line on stderr, with the time left by what each row has taken so far. On a terminal
// one line that is rewritten, else a line every tenth of the way.

const CLEAR_LINE = '\r\u001b[K';

export class Progress {
  readonly #total: number;
  /** Cells that are still to come, by row. */
  readonly #ahead = new Map<string, number>();
  /** What the cells of a row have taken, with what was needed to start their processes. */
  readonly #taken = new Map<string, { cells: number; ms: number }>();
  #last = Date.now();
  #done = 0;
  #printedTenths = 0;

  /** `cells`: the row of each cell that is to come. */
  constructor(cells: readonly string[]) {
    this.#total = cells.length;
    for (const row of cells) this.#ahead.set(row, (this.#ahead.get(row) ?? 0) + 1);
  }

  /** Says what runs now. */
  show(what: string): void {
    if (process.stderr.isTTY) process.stderr.write(`${CLEAR_LINE}${this.#left()} ${what}`);
  }

  step(row: string): void {
    const now = Date.now();
    const { cells, ms } = this.#taken.get(row) ?? { cells: 0, ms: 0 };
    this.#taken.set(row, { cells: cells + 1, ms: ms + now - this.#last });
    this.#ahead.set(row, (this.#ahead.get(row) ?? 1) - 1);
    this.#last = now;
    this.#done += 1;
    const tenths = Math.floor((10 * this.#done) / this.#total);
    if (!process.stderr.isTTY && tenths > this.#printedTenths) {
      this.#printedTenths = tenths;
      process.stderr.write(`${this.#left()}\n`);
    }
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write(CLEAR_LINE);
  }

  /** A row that has not run yet counts as the mean of those that have. */
  #left(): string {
    const counted = `[${this.#done}/${this.#total}]`;
    if (this.#done === 0) return counted;
    const all = [...this.#taken.values()];
    const mean = all.reduce((sum, { ms }) => sum + ms, 0) / this.#done;
    let ms = 0;
    for (const [row, cells] of this.#ahead) {
      const taken = this.#taken.get(row);
      ms += cells * (taken === undefined ? mean : taken.ms / taken.cells);
    }
    const seconds = Math.round(ms / 1000);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    return `${counted} ${clock} left`;
  }
}
