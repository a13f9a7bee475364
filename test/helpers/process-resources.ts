/**
 * What a test opened and must close, whatever happens; and the two ways to wait in these tests: for a
 * promise under a deadline, and for a condition that is polled. The deadlines only end a test that has
 * failed anyway; no test takes its verdict from them.
 */

const WAIT_MS = 20_000;
const POLL_MS = 10;

/** Runs what was deferred, newest first. */
export class Resources {
  #deferred: (() => unknown)[] = [];

  defer(undo: () => unknown): void {
    this.#deferred.push(undo);
  }

  /** Gives back `value`, which is closed later. */
  use<T extends { destroy(): unknown }>(value: T): T {
    this.defer(() => value.destroy());
    return value;
  }

  async close(): Promise<void> {
    const all = this.#deferred.reverse();
    this.#deferred = [];
    const errors: unknown[] = [];
    for (const undo of all) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'cleaning up failed');
  }
}

/** `promise`, or an error that says what did not happen. */
export async function within<T>(
  promise: Promise<T>,
  what: string | (() => string),
  ms: number = WAIT_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new Error(`after ${ms} ms still waiting for ${typeof what === 'string' ? what : what()}`),
      );
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first result of `probe` that is neither undefined nor false. An error counts as not yet. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  ms: number = WAIT_MS,
): Promise<T> {
  const giveUp = Date.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const result = await probe();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      last = error;
    }
    if (Date.now() > giveUp) {
      throw new Error(`after ${ms} ms still waiting for ${what}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
