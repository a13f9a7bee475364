/**
 * Every open connection of an engine, so that `close` can mean what it says: resolved when no
 * socket is left, also none that lingers or that nobody owns yet.
 */

/** What is counted: a connection from its first descriptor to its last. */
export interface Countable {
  destroy(): void;
}

export class OpenLinks {
  readonly #open = new Set<Countable>();
  #whenEmpty: (() => void)[] = [];

  add(link: Countable): void {
    this.#open.add(link);
  }

  delete(link: Countable): void {
    this.#open.delete(link);
    if (this.#open.size > 0) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty = [];
  }

  /** Destroys what is left and resolves when it is gone. */
  destroyAll(): Promise<void> {
    for (const link of [...this.#open]) link.destroy();
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }
}
