import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UdpVisitors } from '../../../ts/dataplane/udp-visitors.ts';

const PORT = 5_353;

describe('udp visitors', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function open(options: { max?: number; unheardMs?: number } = {}) {
    const { max = 10, unheardMs = 300_000 } = options;
    const joined = { count: 0 };
    const ended: string[] = [];
    const visitors = new UdpVisitors({
      max,
      idleMs: 60_000,
      unheardMs,
      joined: () => {
        joined.count += 1;
      },
      ended: ({ address }, reason) => ended.push(`${address.host} ${reason}`),
    });
    return { visitors, joined, ended };
  }

  describe('of two zones whose keys are the same on the wire', () => {
    it('the newer one takes the place of the older, which ends once', () => {
      const { visitors, joined, ended } = open();
      const a = visitors.ofSender('fe80::1%a', PORT);
      const b = visitors.ofSender('fe80::1%b', PORT);
      expect(b.key).toBe(a.key);
      expect(b.address.host).toBe('fe80::1%b');
      expect(ended).toEqual(['fe80::1%a evicted']);
      expect([visitors.size, joined.count]).toEqual([1, 2]);
      // A reply goes to the one that was heard last.
      expect(visitors.ofKey(a.key)).toBe(b);
      expect(visitors.ofSender('fe80::1%b', PORT)).toBe(b);
    });

    it('each is itself when it is heard again, and every one of them ends', () => {
      const { visitors, joined, ended } = open();
      for (let round = 0; round < 3; round++) {
        for (const zone of ['a', 'b']) {
          const host = `fe80::1%${zone}`;
          expect(visitors.ofSender(host, PORT).address.host).toBe(host);
        }
      }
      expect([joined.count, ended.length, visitors.size]).toEqual([6, 5, 1]);
      visitors.end('session_end');
      expect(ended).toHaveLength(6);
      expect(ended.at(-1)).toBe('fe80::1%b session_end');
      expect(visitors.size).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    });

    it('the end of the older does not take the newer along', () => {
      const { visitors, ended } = open();
      visitors.ofSender('fe80::1%a', PORT);
      vi.advanceTimersByTime(59_000);
      const b = visitors.ofSender('fe80::1%b', PORT);
      vi.advanceTimersByTime(59_000);
      expect(visitors.ofKey(b.key)).toBe(b);
      expect(ended).toEqual(['fe80::1%a evicted']);
      vi.advanceTimersByTime(120_000);
      expect(ended).toEqual(['fe80::1%a evicted', 'fe80::1%b idle']);
      expect(vi.getTimerCount()).toBe(0);
    });

    it('a table that is full loses no other visitor to it', () => {
      const { visitors, ended } = open({ max: 2 });
      visitors.ofSender('192.0.2.1', PORT);
      visitors.ofSender('fe80::1%a', PORT);
      visitors.ofSender('fe80::1%b', PORT);
      expect(ended).toEqual(['fe80::1%a evicted']);
      expect(visitors.size).toBe(2);
    });
  });

  describe('W24: a visitor that has not been heard', () => {
    it('gets no replies, is not forgotten at once, and gets them when it is heard', () => {
      const { visitors, ended } = open({ unheardMs: 100_000 });
      const visitor = visitors.ofSender('192.0.2.1', PORT);
      for (let seconds = 10; seconds < 100; seconds += 10) {
        vi.advanceTimersByTime(10_000);
        expect(visitors.ofKey(visitor.key), `after ${seconds} s`).toBe(visitor);
      }
      vi.advanceTimersByTime(10_000);
      expect(visitors.ofKey(visitor.key)).toBeUndefined();
      expect(ended).toEqual([]);
      expect(visitors.ofSender('192.0.2.1', PORT)).toBe(visitor);
      expect(visitors.ofKey(visitor.key)).toBe(visitor);
    });
  });
});
