/** A promise that is settled from outside: by an upcall. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  #settle: { resolve: (value: T) => void; reject: (error: Error) => void } | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Whether it still waits. */
  get pending(): boolean {
    return this.#settle !== undefined;
  }

  resolve(value: T): void {
    this.#settle?.resolve(value);
    this.#settle = undefined;
  }

  reject(error: Error): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
