import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { Pool } from '../../../ts/dataplane/pool.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../ts/limits.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

const FLOOR = 2;
const MINUTE_MS = 60_000;

function open(limits: Partial<Limits> = {}) {
  const state = { asked: 0, expected: 0 };
  const failed: string[] = [];
  const counters = new ServiceCounters();
  const pool = new Pool({
    limits: { ...DEFAULT_LIMITS, poolFloor: FLOOR, ...limits },
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
  pool.reuse();
  const fill = (count: number): FakeLink[] => {
    const links = Array.from({ length: count }, () => new FakeLink());
    for (const link of links) pool.add(link);
    return links;
  };
  const lend = (count: number): FakeLink[] =>
    Array.from({ length: count }, () => {
      const lent = pool.lend();
      if (lent === undefined) throw new Error('none is idle');
      // All of them are.
      return lent.link as unknown as FakeLink;
    });
  return { pool, state, failed, counters, fill, lend };
}

const isOpen = ({ calls }: FakeLink): boolean => !calls.includes('destroy');

describe('pool of reusable channels', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('lends the one that came back last, and says which use is the first', () => {
    const { pool, fill } = open();
    const [first, second] = fill(2);
    expect(pool.lend()).toEqual({ link: second, isFirstUse: true });
    expect(pool.lend()).toEqual({ link: first, isFirstUse: true });
    expect(pool.lend()).toBeUndefined();
    pool.giveBack(first as FakeLink);
    pool.giveBack(second as FakeLink);
    expect(pool.lend()).toEqual({ link: second, isFirstUse: false });
  });

  it('asks for its floor and for those that wait, less what is idle or requested', () => {
    const { pool, state, fill, lend } = open();
    pool.refill(0);
    expect(state.asked).toBe(FLOOR);
    pool.refill(5);
    expect(state.asked).toBe(FLOOR + 5);
    fill(FLOOR + 5);
    lend(4);
    pool.refill(0);
    expect(state.asked).toBe(FLOOR + 5);
    lend(2);
    pool.refill(0);
    expect(state.asked).toBe(FLOOR + 6);
  });

  it('keeps as many as were in use at once for a minute, then its floor, one after the other', () => {
    const { pool, failed, fill, lend } = open();
    const links = fill(40);
    for (const link of lend(40)) pool.giveBack(link);
    vi.advanceTimersByTime(MINUTE_MS - 11_000);
    expect(pool.ready).toBe(40);
    vi.advanceTimersByTime(3_000);
    expect(pool.ready).toBeLessThan(40);
    expect(pool.ready).toBeGreaterThan(FLOOR);
    vi.advanceTimersByTime(20_000);
    expect(pool.ready).toBe(FLOOR);
    expect(links.filter(isOpen)).toHaveLength(FLOOR);
    expect(new Set(failed)).toEqual(new Set(['surplus_channel']));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('what is in use does not count as surplus, and is not forgotten while it runs', () => {
    const { pool, fill, lend } = open();
    fill(20);
    const lent = lend(20);
    vi.advanceTimersByTime(3 * MINUTE_MS);
    expect(pool.target).toBe(FLOOR);
    for (const link of lent) pool.giveBack(link);
    vi.advanceTimersByTime(MINUTE_MS - 11_000);
    expect([pool.ready, pool.target]).toEqual([20, FLOOR]);
  });

  it('keeps no more idle ones than its ceiling', () => {
    const { pool, fill, lend } = open({ reuseCeiling: 10 });
    fill(10);
    const lent = lend(10);
    fill(10);
    for (const link of lent) pool.giveBack(link);
    expect(pool.ready).toBe(10);
    expect(lent.filter(isOpen)).toHaveLength(0);
  });

  it('one that has served enough visitors goes, and is replaced', () => {
    const { pool, state, fill, lend } = open({ channelUses: 3 });
    const [link] = fill(1);
    for (let use = 0; use < 3; use++) pool.giveBack(lend(1)[0] as FakeLink);
    expect(isOpen(link as FakeLink)).toBe(false);
    expect([pool.ready, state.asked]).toEqual([0, FLOOR]);
  });

  it('one that is too old goes when it comes back', () => {
    const { pool, fill, lend } = open({ channelAgeMs: 1_000 });
    const links = fill(2);
    const [link] = lend(1);
    vi.advanceTimersByTime(1_000);
    pool.giveBack(link as FakeLink);
    expect(links.map(isOpen)).toEqual([true, false]);
  });

  it('drops and replaces one that dies idle or sends, and never lends it', () => {
    const { pool, state, failed, counters, fill } = open();
    pool.refill(0);
    const [fin, sends, quiet] = fill(3);
    fin?.peerEnds();
    sends?.peerSends('x');
    if (quiet !== undefined) quiet.closed = true;
    expect(pool.lend()).toBeUndefined();
    expect(failed).toEqual(['stale_channel', 'early_data']);
    expect(counters.poolStale).toBe(2);
    vi.advanceTimersByTime(1_000);
    expect(state.asked).toBe(2 * FLOOR);
  });

  it('closes what comes back to another session than it was of', () => {
    const { pool, fill, lend } = open();
    fill(2);
    const [back, gone] = lend(2);
    pool.clear();
    pool.reuse();
    pool.giveBack(back as FakeLink);
    pool.gone(gone as FakeLink);
    expect(isOpen(back as FakeLink)).toBe(false);
    expect([pool.ready, pool.target]).toEqual([0, FLOOR]);
  });

  it('keeps what was idle or requested when peers agree on reuse in the middle of a session', () => {
    const { pool, state, fill } = open();
    pool.clear();
    pool.refill(0);
    fill(1);
    pool.reuse();
    pool.refill(0);
    expect([pool.ready, pool.requested, state.asked]).toEqual([1, 1, FLOOR]);
    expect(pool.lend()?.isFirstUse).toBe(true);
  });
});
