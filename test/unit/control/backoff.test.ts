import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AttemptEnd, Backoff } from '../../../ts/control/backoff.ts';

const FAILED: AttemptEnd = { kind: 'failed' };
const REFUSED: AttemptEnd = { kind: 'refused' };
const session = (livedMs: number): AttemptEnd => ({ kind: 'session', livedMs });
const drained = (livedMs: number): AttemptEnd => ({ kind: 'drained', livedMs });
/** In the middle of the jitter. */
const even = (): number => 0.5;

function delays(backoff: Backoff, ends: readonly AttemptEnd[]): number[] {
  return ends.map((end) => Math.round(backoff.next(end)));
}

describe('backoff', () => {
  it('starts at half a second and grows threefold up to retry_interval', () => {
    const backoff = new Backoff(10_000, even);
    const ends = Array.from({ length: 6 }, () => FAILED);
    expect(delays(backoff, ends)).toEqual([500, 1_500, 4_500, 10_000, 10_000, 10_000]);
  });

  it('with the default retry_interval: 0.5 s, then 1 s for ever', () => {
    const ends = Array.from({ length: 4 }, () => FAILED);
    expect(delays(new Backoff(1_000, even), ends)).toEqual([500, 1_000, 1_000, 1_000]);
  });

  it('W16: does not spin with retry_interval = 0', () => {
    for (const random of [() => 0, even, () => 0.999]) {
      const backoff = new Backoff(0, random);
      for (let index = 0; index < 50; index++) expect(backoff.next(FAILED)).toBeGreaterThan(50);
    }
  });

  it('W16: waits longer after a refusal, and does not ask at full speed for ever', () => {
    const ends = Array.from({ length: 7 }, () => REFUSED);
    const expected = [1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000];
    expect(delays(new Backoff(1_000, even), ends)).toEqual(expected);
  });

  it('a session forgets the refusals before it', () => {
    const backoff = new Backoff(1_000, even);
    backoff.next(REFUSED);
    backoff.next(REFUSED);
    backoff.next(session(60_000));
    expect(backoff.next(REFUSED)).toBe(1_000);
  });

  it('starts over after a session that was settled', () => {
    const backoff = new Backoff(10_000, even);
    expect(delays(backoff, [FAILED, FAILED, FAILED])).toEqual([500, 1_500, 4_500]);
    expect(backoff.next(session(3_600_000))).toBe(500);
  });

  it('does not start over after a session that died at once', () => {
    const backoff = new Backoff(10_000, even);
    expect(delays(backoff, [FAILED, FAILED, session(10)])).toEqual([500, 1_500, 4_500]);
  });

  it('W15: slows down when sessions are short-lived one after the other', () => {
    const backoff = new Backoff(1_000, even);
    const ends = Array.from({ length: 8 }, () => session(900));
    const expected = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000];
    expect(delays(backoff, ends)).toEqual(expected);
    expect(backoff.next(session(60_000))).toBe(500);
  });

  it('does not slow down for sessions that the server drained, and does not hurry either', () => {
    const backoff = new Backoff(1_000, even);
    const ends = Array.from({ length: 6 }, () => drained(900));
    expect(delays(backoff, ends)).toEqual([500, 1_000, 1_000, 1_000, 1_000, 1_000]);
    expect(backoff.next(drained(60_000))).toBe(500);
    // Nor do they count among those that follow.
    expect(delays(backoff, [session(900), session(900)])).toEqual([1_000, 1_000]);
  });

  it('W15: two clients of one service do not stay in step', () => {
    const [one, two] = [new Backoff(1_000, () => 0), new Backoff(1_000, () => 0.999)];
    for (let index = 0; index < 10; index++) {
      const end = session(500);
      expect(two.next(end)).toBeGreaterThan(one.next(end) * 1.3);
    }
  });

  it('jitter is 20 % either way, whatever happens', () => {
    const end = fc.oneof(
      fc.constant(FAILED),
      fc.constant(REFUSED),
      fc.nat({ max: 20_000 }).map(session),
      fc.nat({ max: 20_000 }).map(drained),
    );
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const input = fc.tuple(fc.array(end, { maxLength: 60 }), random, fc.nat({ max: 100_000 }));
    fc.assert(
      fc.property(input, ([ends, value, capMs]) => {
        const jittered = new Backoff(capMs, () => value);
        const middle = new Backoff(capMs, even);
        for (const one of ends) {
          const [delay, exact] = [jittered.next(one), middle.next(one)];
          expect(delay).toBeGreaterThanOrEqual(exact * 0.8 - 1e-6);
          expect(delay).toBeLessThanOrEqual(exact * 1.2 + 1e-6);
          expect(exact).toBeGreaterThanOrEqual(100);
          expect(exact).toBeLessThanOrEqual(Math.max(60_000, capMs));
        }
      }),
    );
  });

  it('takes a changed retry_interval over where it is', () => {
    const backoff = new Backoff(1_000, even);
    delays(backoff, [FAILED, FAILED, FAILED]);
    backoff.capMs = 60_000;
    expect(backoff.next(FAILED)).toBe(13_500);
    backoff.capMs = 2_000;
    expect(backoff.next(FAILED)).toBe(2_000);
  });
});
