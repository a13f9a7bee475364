/**
 * One step of a handshake in each turn of the event loop: many handshakes at once delay an established
 * flow by the time of one step.
 */

/** Steps that wait, in turn. One gate for the process: all engines share its thread. */
const waiting: (() => void)[] = [];
/** The step of this turn has been taken. */
let taken = false;

/** Runs `step` now or in a later turn. True: it has run. A step does not throw. */
export function enterGate(step: () => void): boolean {
  if (taken) {
    waiting.push(step);
    return false;
  }
  take(step);
  return true;
}

function take(step: () => void): void {
  taken = true;
  setImmediate(nextTurn);
  step();
}

function nextTurn(): void {
  taken = false;
  const step = waiting.shift();
  if (step !== undefined) take(step);
}
