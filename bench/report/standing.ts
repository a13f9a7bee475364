// Whether one figure is better than another, beyond noise. The only place that has this rule: the
// marks of ratios, the list of losses and the first lines of the page all ask here.

import type { Metric } from '../load/rows/row.ts';
import type { Summary } from './stats.ts';

/** Medians of the same program differ by that much from run to run. */
const NOISE = 0.05;
/** The ranges of fewer rounds lie apart by chance too often: of two, one time in three. */
const ROUNDS_FOR_RANGES = 3;

/** The rule, for who reads the report. */
export const STANDING_RULE: string = `medians differ by more than ${NOISE * 100} %, or the ranges of ${ROUNDS_FOR_RANGES} or more rounds do not overlap`;

export interface Standing {
  readonly word: 'better' | 'worse' | 'equal';
  /** The greater median over the smaller one; infinite where that is zero. */
  readonly times: number;
}

export function standing(better: Metric['better'], ours: Summary, theirs: Summary): Standing {
  const [low, high] = ours.median <= theirs.median ? [ours, theirs] : [theirs, ours];
  if (low.median === high.median) return { word: 'equal', times: 1 };
  const times = low.median > 0 ? high.median / low.median : Number.POSITIVE_INFINITY;
  const hasRanges = Math.min(low.rounds, high.rounds) >= ROUNDS_FOR_RANGES;
  const isApart = hasRanges && high.min > low.max;
  if (!isApart && times <= 1 + NOISE) return { word: 'equal', times };
  return { word: (high === ours) === (better === 'more') ? 'better' : 'worse', times };
}
