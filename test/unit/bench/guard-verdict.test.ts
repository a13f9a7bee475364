import { describe, expect, it } from 'vitest';
import {
  fewestPairs,
  intervalRank,
  type Judgement,
  judge,
  type Pair,
} from '../../../bench/guard/verdict.ts';

const TOLERANCE = 0.05;
const ROUNDS = 9;
/** So many figures has a guard. */
const FIGURES = 16;

function pairs(...ratios: number[]): Pair[] {
  return ratios.map((ratio) => ({ now: 100 * ratio, before: 100 }));
}

/** The same random numbers every time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Noise = (random: () => number) => number;

/** One run's factor: normally spread, with the standard deviation `spread` as a logarithm. */
const normal =
  (spread: number): Noise =>
  (random) =>
    Math.exp(spread * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));

/** Steady, but now and then another program takes half of the machine. */
const disturbed: Noise = (random) => normal(0.03)(random) * (random() < 0.25 ? 0.5 : 1);

function batch(noise: Noise, speed: number, random: () => number): Pair[] {
  return Array.from({ length: ROUNDS }, () => {
    // What both builds meet in a round is the same for both.
    const machine = normal(0.2)(random);
    return { now: machine * speed * noise(random), before: machine * noise(random) };
  });
}

/** A figure of which more is better, measured again where it looks regressed, as the guard does. */
function guarded(noise: Noise, speed: number, random: () => number): Judgement {
  const first = batch(noise, speed, random);
  const look = judge([first], 'more', TOLERANCE);
  if (look.word !== 'regressed') return look;
  return judge([first, batch(noise, speed, random)], 'more', TOLERANCE);
}

function counted(words: readonly string[], word: string): number {
  return words.filter((one) => one === word).length;
}

describe('guard verdict', () => {
  it('takes the ordered values that the binomial distribution allows', () => {
    // Tables of the sign test: 2 x (1 + 9) / 512 = 3.9 %, 2 x 1 / 32 = 6.3 %, 2 x 1 / 64 = 3.1 %.
    expect(intervalRank(9, 0.95)).toBe(2);
    expect(intervalRank(5, 0.95)).toBe(0);
    expect(intervalRank(6, 0.95)).toBe(1);
    expect(intervalRank(20, 0.95)).toBe(6);
    expect(intervalRank(18, 0.995)).toBe(3);
    expect(intervalRank(100, 0.95)).toBe(40);
    expect(intervalRank(0, 0.95)).toBe(0);
    expect(fewestPairs()).toBe(6);
  });

  it('gives the median of the ratios and the second and second to last of nine', () => {
    const ratios = [0.97, 1.04, 0.5, 1.01, 0.98, 1.02, 1.5, 1, 0.99];
    const { word, ratio, interval, pairs: count } = judge([pairs(...ratios)], 'more', TOLERANCE);
    expect(word).toBe('same');
    expect(ratio).toBeCloseTo(1);
    expect(interval?.low).toBeCloseTo(0.97);
    expect(interval?.high).toBeCloseTo(1.04);
    expect(count).toBe(9);
  });

  it('knows which way is worse', () => {
    const slower = [pairs(...Array<number>(9).fill(0.85))];
    expect(judge(slower, 'more', TOLERANCE).word).toBe('regressed');
    expect(judge(slower, 'less', TOLERANCE).word).toBe('better');
    const more = [pairs(...Array<number>(9).fill(1.15))];
    expect(judge(more, 'more', TOLERANCE).word).toBe('better');
    expect(judge(more, 'less', TOLERANCE).word).toBe('regressed');
  });

  it('lets a ratio be worse within the tolerance', () => {
    const little = [pairs(...Array<number>(9).fill(1.04))];
    expect(judge(little, 'less', 0.05).word).toBe('same');
    expect(judge(little, 'less', 0.03).word).toBe('regressed');
    // Two of nine within it: the interval begins there.
    const two = [pairs(1.04, 1.04, ...Array<number>(7).fill(1.2))];
    expect(judge(two, 'less', 0.05).word).toBe('same');
  });

  it('calls a wide interval unclear, but for one that is worse altogether', () => {
    const wide = [0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2];
    expect(judge([pairs(...wide)], 'less', TOLERANCE).word).toBe('unclear');
    const threefold = wide.map((ratio) => 3 * ratio);
    expect(judge([pairs(...threefold)], 'less', TOLERANCE).word).toBe('regressed');
  });

  it('says nothing by too few pairs, and leaves out what has no ratio', () => {
    expect(judge([pairs(2, 2, 2, 2, 2)], 'less', TOLERANCE)).toMatchObject({
      word: 'unclear',
      interval: undefined,
      pairs: 5,
    });
    expect(judge([], 'less', TOLERANCE)).toMatchObject({ word: 'unclear', ratio: undefined });
    const broken = [
      { now: 0, before: 1 },
      { now: 1, before: 0 },
      { now: Number.NaN, before: 1 },
    ];
    expect(judge([[...pairs(1, 1, 1, 1, 1, 1), ...broken]], 'less', TOLERANCE).pairs).toBe(6);
  });

  it('does not hold up a regression that the second batch does not show', () => {
    const unlucky = pairs(...Array<number>(9).fill(0.9));
    expect(judge([unlucky], 'more', TOLERANCE).word).toBe('regressed');
    const usual = pairs(...Array<number>(9).fill(1));
    expect(judge([unlucky, usual], 'more', TOLERANCE).word).toBe('same');
    expect(judge([unlucky, unlucky], 'more', TOLERANCE).word).toBe('regressed');
  });

  it.each([
    ['1 % of noise', normal(0.01)],
    ['5 % of noise', normal(0.05)],
    ['10 % of noise', normal(0.1)],
    ['30 % of noise', normal(0.3)],
    ['noise of a factor', normal(2)],
    ['a machine that is taken away now and then', disturbed],
  ])('warren against itself fails fewer than 1 in 100 guards: %s', (_, noise) => {
    const random = seeded(8);
    let alarms = 0;
    for (let guard = 0; guard < 1000; guard += 1) {
      const words = Array.from({ length: FIGURES }, () => guarded(noise, 1, random).word);
      alarms += Number(words.includes('regressed'));
    }
    expect(alarms).toBeLessThan(10);
  });

  it('finds a slowdown of 15 %', () => {
    const random = seeded(15);
    const words = (noise: Noise): string[] =>
      Array.from({ length: 1000 }, () => guarded(noise, 0.85, random).word);
    expect(counted(words(normal(0.02)), 'regressed')).toBeGreaterThan(990);
    expect(counted(words(normal(0.04)), 'regressed')).toBeGreaterThan(850);
  });

  it('mostly calls warren against itself the same in little noise, and unclear in much', () => {
    const random = seeded(3);
    const words = (noise: Noise): string[] =>
      Array.from({ length: 1000 }, () => guarded(noise, 1, random).word);
    expect(counted(words(normal(0.03)), 'same')).toBeGreaterThan(990);
    expect(counted(words(normal(0.3)), 'unclear')).toBeGreaterThan(900);
  });
});
