import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { Pool } from '../../../ts/dataplane/pool.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

const FLOOR = 2;
const CEILING = 16;

function open() {
  const state = { asked: 0, expected: 0 };
  const failed: string[] = [];
  const counters = new ServiceCounters();
  const pool = new Pool({
    limits: { ...DEFAULT_LIMITS, poolFloor: FLOOR, poolCeiling: CEILING },
    counters,
    request: (count) => {
      state.asked += count;
      return true;
    },
    expect: (change) => {
      state.expected += change;
    },
    ready: () => undefined,
    failed: (reason) => failed.push(reason),
  });
  const fill = (count: number): FakeLink[] => {
    const links = Array.from({ length: count }, () => new FakeLink());
    for (const link of links) pool.add(link);
    return links;
  };
  return { pool, state, failed, counters, fill };
}

const isOpen = ({ calls }: FakeLink): boolean =>
  !calls.some((call) => /destroy|end|abort/.test(call));

describe('pool with more channels than it needs', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A burst has raised the target to the ceiling, and all that it asked for has come. */
  function burst() {
    const all = open();
    const { pool, fill } = all;
    pool.refill(0);
    const links = fill(FLOOR);
    for (let misses = 0; misses < 10; misses++) pool.miss(1);
    pool.refill(0);
    links.push(...fill(CEILING - FLOOR));
    expect([pool.target, pool.ready]).toEqual([CEILING, CEILING]);
    return { ...all, links };
  }

  it('closes what a burst left behind when demand has gone', () => {
    const { pool, links, counters, failed, state } = burst();
    const asked = state.asked;
    vi.advanceTimersByTime(600_000);
    expect([pool.target, pool.ready]).toEqual([FLOOR, FLOOR]);
    expect(links.filter(isOpen)).toHaveLength(FLOOR);
    // That is no failure of theirs, and nothing is asked for in their place.
    expect(counters.poolStale).toBe(0);
    expect(failed).not.toContain('stale_channel');
    expect(state.asked).toBe(asked);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps as many as it aims at, all the way down', () => {
    const { pool } = burst();
    for (let seconds = 0; seconds < 300; seconds += 5) {
      vi.advanceTimersByTime(5_000);
      expect(pool.ready).toBeGreaterThanOrEqual(pool.target);
      expect(pool.ready).toBeLessThanOrEqual(CEILING);
    }
  });

  it('still gives out the longest idle one after that', () => {
    const { pool, links } = burst();
    vi.advanceTimersByTime(600_000);
    const left = links.filter(isOpen);
    expect([pool.take(), pool.take(), pool.take()]).toEqual([left[0], left[1], undefined]);
  });

  it('closes those that came too late to be needed, also without a burst', () => {
    const { pool, fill } = open();
    fill(CEILING);
    vi.advanceTimersByTime(600_000);
    expect(pool.ready).toBe(FLOOR);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps no more idle ones than its ceiling, whatever a client sends', () => {
    const { pool, fill, failed } = open();
    const links = fill(10 * CEILING);
    expect(pool.ready).toBe(CEILING);
    expect(links.filter(isOpen)).toHaveLength(CEILING);
    expect(failed).toEqual(Array.from({ length: 9 * CEILING }, () => 'channel_limit'));
  });

  it('keeps one more for each visitor that waits', () => {
    const { pool, fill } = open();
    pool.refill(5);
    fill(10 * CEILING);
    expect(pool.ready).toBe(CEILING + 5);
  });
});
