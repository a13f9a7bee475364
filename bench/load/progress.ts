// The progress line on stderr, with the time left by the pace so far. On a terminal one line
// that is rewritten, else a line every tenth of the way.

const CLEAR_LINE = '\r\u001b[K';

export class Progress {
  readonly #total: number;
  readonly #started = Date.now();
  #done = 0;
  #printedTenths = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** Says what runs now. */
  show(what: string): void {
    if (process.stderr.isTTY) process.stderr.write(`${CLEAR_LINE}${this.#left()} ${what}`);
  }

  step(): void {
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

  #left(): string {
    const counted = `[${this.#done}/${this.#total}]`;
    if (this.#done === 0) return counted;
    const perCellMs = (Date.now() - this.#started) / this.#done;
    const seconds = Math.max(0, Math.round((perCellMs * (this.#total - this.#done)) / 1000));
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    return `${counted} ${clock} left`;
  }
}
