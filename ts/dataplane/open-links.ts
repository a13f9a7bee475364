/**
 * Every open connection of an engine, so that `close` can mean what it says: resolved when no socket
 * is left, also none that lingers or that nobody owns yet. And where a link tells of a fault.
 */

/** What is counted: a connection from its first descriptor to its last. */
export interface Countable {
  destroy(): void;
}

/** A link that was aborted because one of its callbacks threw: the connection was fine. */
export class LinkFault extends Error {
  override readonly name = 'LinkFault';
}

export class OpenLinks {
  readonly #open = new Set<Countable>();
  readonly #onFault: (error: unknown) => void;
  #whenEmpty: (() => void)[] = [];

  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  add(link: Countable): void {
    this.#open.add(link);
  }

  delete(link: Countable): void {
    this.#open.delete(link);
    if (this.#open.size > 0) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty = [];
  }

  fault(error: unknown): void {
    this.#onFault(error);
  }

  /** Destroys what is left and resolves when it is gone. */
  destroyAll(): Promise<void> {
    for (const link of [...this.#open]) link.destroy();
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }
}
