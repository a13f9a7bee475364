// Whether a figure regressed: what the pairs of runs say about the ratio, without assumptions about
// the kind of noise. Knows nothing of how the runs were made.
//
// Of n ratios, each as likely above the true median as below it, the true median lies between the
// k-th smallest and the k-th largest but for a chance that the binomial distribution tells: with 9
// pairs and k = 2 that is 3.9 %, on both sides together.

/** One figure of both builds, taken in the same round right after each other. */
export interface Pair {
  readonly now: number;
  readonly before: number;
}

export type Word = 'same' | 'better' | 'regressed' | 'unclear';

export interface Judgement {
  readonly word: Word;
  /** Median of now / before; `undefined` without pairs. */
  readonly ratio: number | undefined;
  /** Of that median; `undefined` for too few pairs. */
  readonly interval: { readonly low: number; readonly high: number } | undefined;
  readonly pairs: number;
}

/** Of a first look, which only decides what is measured again. */
const FIRST_CONFIDENCE = 0.95;
/**
 * Of both batches together. A guard has about 16 figures, and a false alarm must be rare in all of
 * them together; what had bad luck in the first batch is in the joined data, too.
 */
const JOINED_CONFIDENCE = 0.995;
/** An interval whose ends are further apart says nothing about a few percent. */
const WIDEST = 1.25;

/**
 * Judges one figure by one batch of pairs, or by a first one and a second one made because
 * something looked regressed. After one batch `regressed` means only that it looks so.
 *
 * @param tolerance - By which fraction the ratio may be worse; 0.05 is 1.05x as much or 1/1.05x.
 */
export function judge(
  batches: readonly (readonly Pair[])[],
  better: 'more' | 'less',
  tolerance: number,
): Judgement {
  const logs = batches
    .flat()
    .filter(({ now, before }) => isPositive(now) && isPositive(before))
    .map(({ now, before }) => Math.log(now / before))
    .sort((a, b) => a - b);
  const confidence = batches.length > 1 ? JOINED_CONFIDENCE : FIRST_CONFIDENCE;
  const rank = intervalRank(logs.length, confidence);
  const [low, high] = [logs[rank - 1], logs[logs.length - rank]];
  const found = { ratio: median(logs), pairs: logs.length };
  if (low === undefined || high === undefined) {
    return { ...found, word: 'unclear', interval: undefined };
  }
  const interval = { low: Math.exp(low), high: Math.exp(high) };
  return { ...found, word: wordFor(low, high, better, Math.log1p(tolerance)), interval };
}

/** All four as logarithms. */
function wordFor(low: number, high: number, better: 'more' | 'less', margin: number): Word {
  const isMore = low > margin;
  const isLess = high < -margin;
  if (isMore || isLess) return isMore === (better === 'more') ? 'better' : 'regressed';
  return high - low > Math.log(WIDEST) ? 'unclear' : 'same';
}

/** With fewer pairs there is no interval. */
export function fewestPairs(): number {
  let pairs = 1;
  while (intervalRank(pairs, FIRST_CONFIDENCE) === 0) pairs += 1;
  return pairs;
}

/**
 * The largest k for which the k-th smallest and k-th largest of so many values enclose the true
 * median with at least this confidence; 0 for none.
 */
export function intervalRank(count: number, confidence: number): number {
  const allowed = (1 - confidence) / 2;
  // The chance that exactly `rank` of all values are on one side, and that at most so many are.
  let exactly = 0.5 ** count;
  let atMost = exactly;
  let rank = 0;
  while (rank < count / 2 && atMost <= allowed) {
    rank += 1;
    exactly *= (count - rank + 1) / rank;
    atMost += exactly;
  }
  return rank;
}

function median(sorted: readonly number[]): number | undefined {
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  return low === undefined || high === undefined ? undefined : Math.exp((low + high) / 2);
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}
