import { describe, expect, it } from 'vitest';
import type { Memory } from '../../../bench/load/machine/memory.ts';
import { readMemory, readRssKib } from '../../../bench/load/machine/memory.ts';
import { held, heldSample, possible } from '../../../bench/load/rows/held.ts';
import { steady } from '../../../bench/load/rows/memory-run.ts';

function memory(rssKib: number, privateDirtyKib: number): Memory {
  return { rssKib, pssKib: 0, privateKib: 0, privateDirtyKib, peakRssKib: rssKib };
}

describe('memory rows of the benchmark', () => {
  it('holds what descriptors allow, and says so', () => {
    expect(possible(10_000, 1_048_576)).toBe(10_000);
    expect(possible(10_000, 20_000)).toBe(9200);
    expect(possible(10_000, 100)).toBe(0);
    expect(held('1k and 10k').title).toMatch(/10k: [\d,]+/);
  });

  it('counts growth for each connection in KB of 1,000 bytes', () => {
    const steps = { before: memory(1024, 0), first: memory(2048, 1000), all: memory(8192, 9200) };
    const numbers = heldSample({ ...steps, count: 9200 });
    expect(numbers).toMatchObject({ count: 9200, rss1k: 2, rss10k: 8, peakRss: 8 });
    expect(numbers['each1k']).toBeCloseTo(1.024);
    expect(numbers['each10k']).toBeCloseTo(1.024);
    expect(numbers['eachMore']).toBeCloseTo(1.024);
    expect(heldSample({ ...steps, all: undefined, count: 1000 })).not.toHaveProperty('rss10k');
  });

  it('has all the numbers that its metrics name', () => {
    const all = memory(3, 3);
    const numbers = heldSample({ before: all, first: all, all, count: 9200 });
    for (const { key } of held('1k and 10k').metrics) expect(numbers).toHaveProperty([key]);
  });

  it('takes the steady level from the last third of the load, and the peak from all', () => {
    const rss = [0, 1, 2, 3, 4, 5].map((at): [number, number] => [at, at === 1 ? 99 : 10 * at]);
    const pss: [number, number][] = [[3.5, 7]];
    expect(steady({ rss, pss }, 1, 4)).toEqual({ peakRss: 99, steadyRss: 35, steadyPss: 7 });
  });

  it('never reads a peak below what there is', () => {
    const { rssKib, peakRssKib } = readMemory([process.pid]);
    expect(rssKib).toBeGreaterThan(1000);
    expect(peakRssKib).toBeGreaterThanOrEqual(rssKib);
    expect(readRssKib([process.pid])).toBeGreaterThan(1000);
  });
});
