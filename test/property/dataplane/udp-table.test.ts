import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { type UdpEntry, UdpTable } from '../../../ts/dataplane/udp-table.ts';

type Step = { readonly use: string } | { readonly wait: number };

it('W25: holds no more than it may, tells every end once, and never gives out what ended', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ use: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') }),
    fc.record({ wait: fc.nat({ max: 3_000 }) }),
  );
  const max = fc.integer({ min: 1, max: 5 });
  vi.useFakeTimers();
  try {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), max, (steps, bound) => {
        const alive = new Set<UdpEntry>();
        const table = new UdpTable<UdpEntry>(bound, 2_000, (_key, entry) => {
          expect(alive.delete(entry)).toBe(true);
        });
        for (const one of steps) {
          if ('wait' in one) {
            vi.advanceTimersByTime(one.wait);
          } else {
            const known = table.use(one.use);
            if (known === undefined) {
              const entry = { lastSeen: performance.now() };
              table.add(one.use, entry);
              alive.add(entry);
            } else {
              expect(alive.has(known)).toBe(true);
            }
          }
          expect(table.size).toBe(alive.size);
          expect(table.size).toBeLessThanOrEqual(bound);
        }
        vi.advanceTimersByTime(10_000);
        expect(table.size).toBe(0);
        expect(alive.size).toBe(0);
        expect(vi.getTimerCount()).toBe(0);
      }),
    );
  } finally {
    vi.useRealTimers();
  }
});
