// What was measured of one task, in the same words for both libraries.

export interface Figures {
  readonly name: string;
  /** Median. */
  readonly nsPerOp: number;
  readonly opsPerSecond: number;
  /** Relative margin of error of the mean, at 95 % confidence. */
  readonly marginPercent: number;
  readonly p75Ns: number;
  readonly p99Ns: number;
  readonly samples: number;
  /** The time of one operation in relation to that of the suite's first task. */
  readonly toFirst: number;
  /**
   * Whether it takes another time than the first task, by the Mann-Whitney U test; `null` where
   * nobody has tested it.
   */
  readonly differs: boolean | null;
}

export interface Measured extends Omit<Figures, 'opsPerSecond' | 'toFirst' | 'differs'> {
  readonly differs?: boolean;
}

/** Adds what depends on the first of them. */
export function related(all: readonly Measured[]): Figures[] {
  const first = all[0]?.nsPerOp ?? Number.NaN;
  return all.map((each) => ({
    ...each,
    opsPerSecond: 1e9 / each.nsPerOp,
    toFirst: each.nsPerOp / first,
    differs: each.differs ?? null,
  }));
}

/** The value below which that share of the samples lies, by linear interpolation. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (low === undefined || high === undefined) throw new RangeError('no samples');
  return low + (high - low) * (at - Math.floor(at));
}

/** Of the mean, at 95 % confidence: with tens of samples it is as good as normally distributed. */
export function marginPercent(samples: readonly number[]): number {
  const { length } = samples;
  const mean = samples.reduce((sum, each) => sum + each, 0) / length;
  const variance = samples.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (length - 1);
  return (100 * 1.96 * Math.sqrt(variance / length)) / mean;
}
