/** Numbers as they are shown, figures of a document, and where the subject loses. */
import { describe, expect, it } from 'vitest';
import type { Metric } from '../../../bench/load/rows/row.ts';
import { fullTitle, ofBaseline, ratioCell, subjectOver } from '../../../bench/report/figures.ts';
import { losses, processLosses } from '../../../bench/report/losses.ts';
import { bound, duration, eitherOf, figure, number } from '../../../bench/report/numbers.ts';
import { summarize } from '../../../bench/report/stats.ts';
import { documentOf, rowOf, SUBJECT, samplesOf } from './report-document.ts';

describe('numbers', () => {
  it.each([
    [0, '0'],
    [0.012345, '0.0123'],
    [4.5, '4.50'],
    [12.345, '12.3'],
    [99.96, '100'],
    [123.4, '123'],
    [25_349, '25,300'],
    [1_234_567, '1,230,000'],
    [-4.5, '-4.50'],
    [Number.NaN, '-'],
    [undefined, '-'],
  ])('%s is shown with three significant digits', (value, text) => {
    expect(number(value)).toBe(text);
  });

  it('shows a median with its range, and one round without', () => {
    expect(figure(summarize([3, 1, 2]))).toBe('2.00 (1.00-3.00)');
    expect(figure(summarize([2]))).toBe('2.00');
    expect(figure(undefined)).toBe('-');
  });

  it('says bounds, lengths of time and choices as people do', () => {
    expect([1.8, 25_000, 1 / 3].map(bound)).toEqual(['1.8', '25,000', '0.333']);
    expect([1, 90, 600, 9000].map(duration)).toEqual([
      '1 second',
      '90 seconds',
      '10 minutes',
      '2 hours 30 minutes',
    ]);
    expect([['a'], ['a', 'b'], ['a', 'b', 'c']].map(eitherOf)).toEqual([
      'a',
      'a or b',
      'a, b or c',
    ]);
  });
});

describe('figures', () => {
  const document = documentOf();
  const [bulk] = document.rows;
  if (bulk === undefined) throw new Error('the document has no row');

  it('compares the subject with a peer, and a peer with no tunnel', () => {
    const gbit = { key: 'gbit', title: 'Gbit/s', better: 'more' } as const;
    expect(subjectOver(document, bulk, 'gbit', 'rathole')).toBeCloseTo(4);
    expect(subjectOver(document, bulk, 'gbit', SUBJECT)).toBeUndefined();
    expect(ofBaseline(bulk, gbit, SUBJECT)).toBeCloseTo(50);
    expect(ofBaseline(bulk, { ...gbit, better: 'less' }, SUBJECT)).toBeUndefined();
  });

  it('marks whether the subject is better than a tunnel, and judges none against no tunnel', () => {
    const metric = (key: string, better: 'more' | 'less') => ({ key, title: key, better });
    expect(ratioCell(document, bulk, metric('gbit', 'more'), 'rathole')).toBe('4.00x +');
    expect(ratioCell(document, bulk, metric('rssPeakMib', 'less'), 'rathole')).toBe('8.00x !');
    expect(ratioCell(document, bulk, metric('gbit', 'more'), 'direct')).toBe('0.500x');
    expect(ratioCell(document, bulk, metric('gbit', 'more'), SUBJECT)).toBe('-');
  });

  it('marks as equal what differs by no more than noise, as the list of losses does', () => {
    const rate = { key: 'rate', title: '/s', better: 'more' } as const;
    const cell = (ours: readonly number[], theirs: readonly number[], of: Metric = rate) => {
      const samples = samplesOf({ [SUBJECT]: { rate: ours }, rathole: { rate: theirs } });
      const row = rowOf('row', [of], samples);
      return ratioCell(documentOf([row]), row, of, 'rathole');
    };
    expect(cell([90, 104, 120], [90, 100, 110])).toBe('1.04x =');
    expect(cell([90, 106, 120], [90, 100, 110])).toBe('1.06x +');
    expect(cell([102, 103, 104], [99, 100, 101])).toBe('1.03x +');
    expect(cell([102, 103, 104], [99, 100, 101], { ...rate, better: 'less' })).toBe('1.03x !');
    expect(cell([0.1], [0], { ...rate, better: 'less' })).toBe('- !');
  });

  it('names a metric so that it can stand alone', () => {
    const held = document.rows.find(({ name }) => name === 'held');
    expect(fullTitle(bulk, 'cpuServer')).toBe('CPU s/GB, server');
    expect(fullTitle(bulk, 'rssPeakMib')).toBe('RSS peak MiB');
    expect(held && ['rss10k', 'each1k', 'each10k'].map((key) => fullTitle(held, key))).toEqual([
      '10k: RSS MiB',
      '1k: KB each',
      '10k: KB each',
    ]);
  });
});

describe('where the subject loses', () => {
  const metric = { key: 'rate', title: '/s', better: 'more' } as const;
  const less = { ...metric, better: 'less' } as const;
  const found = (
    ours: readonly number[],
    theirs: readonly number[],
    of: typeof metric | typeof less,
  ) =>
    losses(
      documentOf([
        rowOf('row', [of], samplesOf({ [SUBJECT]: { rate: ours }, rathole: { rate: theirs } })),
      ]),
    ).map(({ rival, times }) => [rival, times]);

  it('is a median that is worse by more than noise', () => {
    expect(found([90, 100, 110], [99, 106, 120], metric)).toEqual([['rathole', 1.06]]);
    expect(found([90, 100, 110], [99, 104, 120], metric)).toEqual([]);
    expect(found([90, 106, 110], [90, 100, 120], less)).toEqual([['rathole', 1.06]]);
  });

  it('is a smaller difference where the ranges do not overlap', () => {
    expect(found([99, 100, 101], [102, 103, 104], metric)).toEqual([['rathole', 1.03]]);
    expect(found([102, 103, 104], [99, 100, 101], less)).toEqual([['rathole', 1.03]]);
  });

  it('is no small difference between one or two rounds, whose ranges say nothing', () => {
    expect(found([100], [104], metric)).toEqual([]);
    expect(found([100, 101], [103, 104], metric)).toEqual([]);
  });

  it('is no median that is better or the same', () => {
    expect(found([100], [100], metric)).toEqual([]);
    expect(found([200], [100], metric)).toEqual([]);
    expect(found([0], [0], less)).toEqual([]);
  });

  it('is something against nothing, before all others', () => {
    expect(found([0.1], [0], less)).toEqual([['rathole', Number.POSITIVE_INFINITY]]);
    const rows = [
      rowOf('a', [less], samplesOf({ [SUBJECT]: { rate: [2] }, frp: { rate: [1] } })),
      rowOf('b', [less], samplesOf({ [SUBJECT]: { rate: [1] }, frp: { rate: [0] } })),
      rowOf('c', [less], samplesOf({ [SUBJECT]: { rate: [3] }, frp: { rate: [1] } })),
    ];
    expect(losses(documentOf(rows)).map(({ row }) => row.name)).toEqual(['b', 'c', 'a']);
  });

  it('is only against tunnels that take the place of warren', () => {
    const samples = samplesOf({ [SUBJECT]: { rate: [1] }, direct: { rate: [9] } });
    expect(losses(documentOf([rowOf('row', [metric], samples)]))).toEqual([]);
  });

  it('is summed up for what every row has of its processes', () => {
    expect(processLosses(documentOf())).toMatchObject([
      { rival: 'rathole', rows: 2, of: 2, most: { times: 8 } },
      { rival: 'frp', rows: 2, of: 2, most: { times: 3 } },
    ]);
  });
});
