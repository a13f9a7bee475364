/** Close with a deadline: wait for the polite end, abort what is left when time is up. */

import { TIMER_MAX_MS } from '../timers.ts';

/**
 * Resolves when `drained` does; calls `abort` once if that takes longer than `deadlineMs`, and goes
 * on waiting. Infinity never aborts.
 */
export async function closeWithin(
  deadlineMs: number,
  drained: Promise<void>,
  abort: () => void,
): Promise<void> {
  const timer = deadlineMs < TIMER_MAX_MS ? setTimeout(abort, deadlineMs) : undefined;
  try {
    await drained;
  } finally {
    clearTimeout(timer);
  }
}
