import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { Pool } from '../../../ts/dataplane/pool.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

function open(options: { accepts?: () => boolean; floor?: number } = {}) {
  const state = { asked: 0, expected: 0, ready: 0 };
  const failed: string[] = [];
  const counters = new ServiceCounters();
  const pool = new Pool({
    limits: { ...DEFAULT_LIMITS, poolFloor: options.floor ?? 8 },
    counters,
    request: (count) => {
      if (options.accepts?.() === false) return false;
      state.asked += count;
      return true;
    },
    expect: (change) => {
      state.expected += change;
    },
    ready: () => {
      state.ready += 1;
    },
    failed: (reason) => failed.push(reason),
  });
  const fill = (count: number): FakeLink[] => {
    const links = Array.from({ length: count }, () => new FakeLink());
    for (const link of links) pool.add(link);
    return links;
  };
  return { pool, state, failed, counters, fill };
}

describe('pool', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('asks only for what is wanting, and says how many are expected', () => {
    const { pool, state, fill } = open();
    pool.refill(0);
    pool.refill(0);
    expect(state).toMatchObject({ asked: 8, expected: 8 });
    fill(3);
    pool.refill(0);
    expect(state).toMatchObject({ asked: 8, expected: 5, ready: 3 });
    pool.refill(2);
    expect(state).toMatchObject({ asked: 10, expected: 7 });
  });

  it('asks again when a request could not be sent', () => {
    let open_ = false;
    const { pool, state } = open({ accepts: () => open_ });
    pool.refill(0);
    expect(state).toMatchObject({ asked: 0, expected: 0 });
    open_ = true;
    pool.refill(0);
    expect(state.asked).toBe(8);
  });

  it('W12: asks again after createTimeoutMs, for those that did not come', () => {
    const { pool, state, fill } = open();
    pool.refill(0);
    fill(5);
    vi.advanceTimersByTime(DEFAULT_LIMITS.createTimeoutMs + 1);
    expect(state).toMatchObject({ asked: 8 + 3, expected: 3 });
    vi.advanceTimersByTime(DEFAULT_LIMITS.createTimeoutMs + 1);
    expect(state).toMatchObject({ asked: 8 + 6, expected: 3 });
  });

  it('W11: gives out no channel that ended, also one whose end is only known to the link', () => {
    const { pool, counters, failed, fill } = open();
    const [fin, rst, quiet, good] = fill(4);
    fin?.peerEnds();
    rst?.peerResets();
    if (quiet !== undefined) quiet.ended = true;
    expect(pool.take()).toBe(good);
    expect(pool.take()).toBeUndefined();
    expect(failed).toEqual(['stale_channel', 'stale_channel']);
    expect(counters.poolStale).toBe(2);
  });

  it('drops one that sends, once', () => {
    const { pool, failed, fill } = open();
    const [link] = fill(1);
    expect(link?.peerSends('x')).toBe(false);
    link?.peerEnds();
    expect(failed).toEqual(['early_data']);
    expect(pool.ready).toBe(0);
  });

  it('does not ask at network speed for channels that die as they come', () => {
    const { pool, state, fill } = open();
    pool.refill(0);
    const before = state.asked;
    for (let round = 0; round < 100; round++) for (const link of fill(8)) link.peerEnds();
    expect(state.asked).toBe(before);
    vi.advanceTimersByTime(1_000);
    expect(state.asked).toBe(before + 8);
  });

  it('grows with demand up to its ceiling and shrinks in quiet times to its floor', () => {
    const { pool, fill } = open();
    fill(8);
    for (let index = 0; index < 20; index++) pool.miss(1);
    expect(pool.target).toBe(DEFAULT_LIMITS.poolCeiling);
    vi.advanceTimersByTime(25_000);
    expect(pool.target).toBeLessThan(DEFAULT_LIMITS.poolCeiling);
    expect(pool.target).toBeGreaterThan(8);
    vi.advanceTimersByTime(600_000);
    expect(pool.target).toBe(8);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('clear closes what is idle, forgets what is expected and stops its timers', () => {
    const { pool, state, failed, fill } = open();
    pool.refill(0);
    const links = fill(3);
    pool.miss(100);
    links[0]?.peerEnds();
    pool.clear();
    expect(links.every(({ calls }) => calls.includes('destroy'))).toBe(true);
    expect(state.expected).toBe(0);
    expect([pool.ready, pool.requested]).toEqual([0, 0]);
    expect(failed).toEqual(['stale_channel']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('shrinks to its floor also when sessions came and went', () => {
    const { pool, fill } = open();
    fill(8);
    for (let index = 0; index < 5; index++) pool.miss(1);
    pool.clear();
    vi.advanceTimersByTime(600_000);
    pool.refill(0);
    expect(pool.target).toBe(8);
  });
});
