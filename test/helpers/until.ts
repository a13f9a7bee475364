/** Waits for a condition. Time only bounds how long a failing test takes; it never decides. */

const POLL_MS = 2;

type Truthy<T> = Exclude<T, false | null | undefined | 0 | ''>;

/** Resolves with the first truthy value of `condition`; rejects naming `what` did not happen. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  timeoutMs = 15_000,
): Promise<Truthy<T>> {
  const giveUp = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    // The cast restores what the check has just shown.
    if (value) return value as Truthy<T>;
    if (Date.now() > giveUp) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Rejects when a promise takes too long, naming it. */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs = 15_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not settled within ${timeoutMs} ms: ${what}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after all that this turn of the event loop has in hand. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
