// Medians over rounds, and how two of them compare.

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** `undefined` for no values. */
export function summarize(values: readonly number[]): Summary | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  const min = sorted[0];
  const max = sorted.at(-1);
  if (low === undefined || high === undefined || min === undefined || max === undefined) {
    return undefined;
  }
  return { median: (low + high) / 2, min, max, rounds: sorted.length };
}

/** The first median over the second; `undefined` where that says nothing. */
export function ratio(ours: Summary | undefined, theirs: Summary | undefined): number | undefined {
  if (ours === undefined || theirs === undefined || theirs.median <= 0) return undefined;
  return ours.median / theirs.median;
}

/** Fisher-Yates, in a new array. */
export function shuffled<T>(items: readonly T[]): T[] {
  const rest = [...items];
  const order: T[] = [];
  while (rest.length > 0) order.push(...rest.splice(Math.floor(Math.random() * rest.length), 1));
  return order;
}
