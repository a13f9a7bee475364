import { describe, expect, it } from 'vitest';
import { ROWS } from '../../../bench/load/rows/rows.ts';
import { type Summary, summarize } from '../../../bench/report/stats.ts';
import { judge, TARGETS, type Target, type Verdict } from '../../../bench/report/targets.ts';

function judged(target: Omit<Target, 'row' | 'metric'>, ours?: number, theirs?: number): Verdict {
  const figures = new Map<string, number | undefined>([
    ['warren', ours],
    ['rathole', theirs],
  ]);
  const find = (_row: string, _metric: string, peer: string): Summary | undefined => {
    const value = figures.get(peer);
    return value === undefined ? undefined : summarize([value]);
  };
  return judge({ row: 'row', metric: 'metric', ...target }, 'warren', find);
}

describe('targets', () => {
  it('compares with a multiple of the rival', () => {
    const target = { atLeast: 3.3, than: ['rathole'] };
    expect(judged(target, 33, 10)).toMatchObject({ met: true, ratio: 3.3 });
    expect(judged(target, 32.9, 10).met).toBe(false);
    expect(judged({ atMost: 0.2, than: ['rathole'] }, 0.2, 1).met).toBe(true);
    expect(judged({ atMost: 0.2, than: ['rathole'] }, 0.21, 1).met).toBe(false);
  });

  it('compares with a figure of its own', () => {
    expect(judged({ atMost: 5 }, 4.9)).toMatchObject({ met: true, ours: 4.9, ratio: undefined });
    expect(judged({ atMost: 5 }, 5.1).met).toBe(false);
  });

  it('has no ratio to a rival that lost nothing, but a verdict', () => {
    const target = { atMost: 0.2, than: ['rathole'] };
    expect(judged(target, 0, 0)).toMatchObject({ met: true, ratio: undefined });
    expect(judged(target, 0.1, 0).met).toBe(false);
  });

  it('judges another peer than the subject where it names one', () => {
    const target = { atLeast: 0.5, than: ['warren'], of: 'rathole' };
    expect(judged(target, 10, 6)).toMatchObject({ ours: 6, theirs: 10, met: true });
    expect(judged(target, 10, 4).met).toBe(false);
  });

  it('compares nobody with itself', () => {
    const target = { atLeast: 0.95, than: ['warren'] };
    expect(judged(target, 10)).toMatchObject({ against: undefined, met: undefined });
  });

  it('compares with the best of several rivals, in the row that it names', () => {
    const figures: Record<string, number> = { 'ours/warren': 9, 'theirs/a': 4, 'theirs/b': 6 };
    const find = (row: string, _metric: string, peer: string): Summary | undefined => {
      const value = figures[`${row}/${peer}`];
      return value === undefined ? undefined : summarize([value]);
    };
    const target = { row: 'ours', metric: 'metric', than: ['a', 'b', 'gone'], thanRow: 'theirs' };
    expect(judge({ ...target, atLeast: 1.5 }, 'warren', find)).toMatchObject({
      against: 'b',
      ratio: 1.5,
      met: true,
    });
    expect(judge({ ...target, atMost: 2 }, 'warren', find)).toMatchObject({
      against: 'a',
      ratio: 2.25,
      met: false,
    });
    expect(judge({ ...target, than: ['gone'], atLeast: 1 }, 'warren', find).met).toBeUndefined();
  });

  it('says nothing where a figure is missing', () => {
    expect(judged({ atMost: 0.2, than: ['rathole'] }, 1).met).toBeUndefined();
    expect(judged({ atMost: 5 }).met).toBeUndefined();
  });

  it.each([
    ['noise-bulk-up-1', 2],
    ['noise-aesgcm-bulk-down-8', 2],
    ['tls-bulk-down-1', 1.5],
    ['websocket-bulk-up-8', 1.5],
    ['noise-visitors-32', 2.5],
    ['tls-visitors-32', 7],
    ['tls-rsa-visitors-32', 7],
    ['websocket-visitors-32', 1.3],
  ])('wants of %s %d times what rathole has over the same transport', (name, atLeast) => {
    const isRathole = ({ row, than }: Target): boolean =>
      row === name && than?.join() === 'rathole';
    expect(TARGETS.filter(isRathole)).toEqual([
      {
        row: name,
        metric: expect.stringMatching(/^gbit$|^per_second$/),
        atLeast,
        than: ['rathole'],
      },
    ]);
  });

  it('names rows that exist, and metrics that are printed or kept with them', () => {
    const kept = ['js'];
    for (const { row, metric } of TARGETS) {
      const found = ROWS.find(({ name }) => name === row);
      const keys = found?.metrics.map(({ key }) => key) ?? [];
      expect([...keys, ...kept]).toContain(metric);
    }
  });
});
