import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type UdpEntry, UdpTable } from '../../../ts/dataplane/udp-table.ts';

describe('udp table', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function open(max = 3, idleMs = 60_000) {
    const removed: string[] = [];
    const table = new UdpTable<UdpEntry>(max, idleMs, (key, _entry, why) => {
      removed.push(`${key} ${why}`);
    });
    const add = (key: string): void => table.add(key, { lastSeen: performance.now() });
    return { table, removed, add };
  }

  it('W25: evicts the least recent one', () => {
    const { table, removed, add } = open();
    for (const key of ['a', 'b', 'c']) add(key);
    vi.advanceTimersByTime(2_000);
    table.use('a');
    add('d');
    add('e');
    expect(removed).toEqual(['b evicted', 'c evicted']);
    expect(table.use('a')).toBeDefined();
    expect(table.size).toBe(3);
  });

  it('expels what was idle, and tells once', () => {
    const { table, removed, add } = open(10, 1_000);
    add('a');
    vi.advanceTimersByTime(600);
    add('b');
    table.use('a');
    vi.advanceTimersByTime(900);
    expect(table.use('b')).toBeDefined();
    vi.advanceTimersByTime(10_000);
    expect(removed.sort()).toEqual(['a idle', 'b idle']);
    expect(table.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('being used keeps an entry alive', () => {
    const { table, removed, add } = open(10, 1_000);
    add('a');
    for (let index = 0; index < 50; index++) {
      vi.advanceTimersByTime(300);
      expect(table.use('a')).toBeDefined();
    }
    expect(removed).toEqual([]);
  });

  it('does not give out an entry that expired before the sweep came', () => {
    const { table, add } = open(10, 1_000);
    add('a');
    vi.advanceTimersByTime(5_000);
    expect(table.use('a')).toBeUndefined();
  });

  it('take takes that entry only, and clear takes all, without telling', () => {
    const { table, removed, add } = open();
    add('a');
    expect(table.take('z')).toBeUndefined();
    expect(table.size).toBe(1);
    expect(table.take('a')).toBeDefined();
    expect(table.size).toBe(0);
    add('b');
    add('c');
    expect(table.clear()).toHaveLength(2);
    expect(table.size).toBe(0);
    expect(removed).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('works with a bound of one', () => {
    const { table, removed, add } = open(1);
    add('a');
    add('b');
    expect(removed).toEqual(['a evicted']);
    expect(table.use('b')).toBeDefined();
    vi.advanceTimersByTime(200_000);
    expect(removed).toEqual(['a evicted', 'b idle']);
  });

  it('evicts the least recent also when all were used within one second', () => {
    const table = new UdpTable<UdpEntry>(2, 60_000, (key) => evicted.push(key));
    const evicted: string[] = [];
    table.add('busy', { lastSeen: performance.now() });
    for (let index = 0; index < 100; index++) {
      expect(table.use('busy')).toBeDefined();
      table.add(`new ${index}`, { lastSeen: performance.now() });
    }
    expect(evicted).toHaveLength(99);
    expect(evicted).not.toContain('busy');
    table.clear();
  });
});
