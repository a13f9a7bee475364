/**
 * How much of a turn of the event loop goes into handshakes: many at once delay an established flow
 * by a fraction of a millisecond, whatever a step of theirs costs.
 */

/**
 * Spent on steps in one turn, before the next one waits for the next turn. A step of Noise takes
 * 100 to 300 µs, of anything else a few.
 */
const BUDGET_MS = 0.2;

/** In the order they came. One gate for the process: all engines share its thread. */
const waiting: (() => void)[] = [];
let spentMs = 0;
let armed = false;

/** Runs `step`, which does not throw, now or in a later turn. */
export function enterGate(step: () => void): void {
  if (waiting.length > 0 || spentMs >= BUDGET_MS) waiting.push(step);
  else take(step);
}

function take(step: () => void): void {
  if (!armed) setImmediate(nextTurn);
  armed = true;
  const since = performance.now();
  step();
  spentMs += performance.now() - since;
}

function nextTurn(): void {
  armed = false;
  spentMs = 0;
  while (spentMs < BUDGET_MS) {
    const step = waiting.shift();
    if (step === undefined) return;
    take(step);
  }
}
