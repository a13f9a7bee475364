import { describe, expect, it } from 'vitest';
import { type Measured, marginPercent, quantile, related } from '../../../bench/micro/figures.ts';
import { HELP, readOptions, selectSuites } from '../../../bench/micro/options.ts';
import { renderFigures, renderHead, renderList, renderTitle } from '../../../bench/micro/print.ts';
import { SUITES } from '../../../bench/micro/suites/suites.ts';

const measured = (name: string, nsPerOp: number, more: Partial<Measured> = {}): Measured => ({
  name,
  nsPerOp,
  marginPercent: 1.234,
  p75Ns: nsPerOp * 1.1,
  p99Ns: nsPerOp * 2,
  samples: 1000,
  ...more,
});

describe('figures', () => {
  it('relate each task to the first', () => {
    const [first, second, third] = related([
      measured('first', 50),
      measured('second', 200, { differs: true }),
      measured('third', 25, { differs: false }),
    ]);
    expect(first).toMatchObject({ opsPerSecond: 2e7, toFirst: 1, differs: null });
    expect(second).toMatchObject({ opsPerSecond: 5e6, toFirst: 4, differs: true });
    expect(third).toMatchObject({ opsPerSecond: 4e7, toFirst: 0.5, differs: false });
  });

  it('have the margin of error of the mean', () => {
    expect(marginPercent([5, 5, 5])).toBe(0);
    // Mean 10, standard deviation 2, of 4 samples: 1.96 of one tenth.
    const [low, high] = [10 - Math.sqrt(3), 10 + Math.sqrt(3)];
    expect(marginPercent([low, high, low, high])).toBeCloseTo(19.6);
  });

  it('have quantiles between samples', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5], 0.75)).toBe(4);
    expect(quantile([7], 0.99)).toBe(7);
    expect(() => quantile([], 0.5)).toThrow('no samples');
  });
});

describe('the table', () => {
  it('has one line a task, each duration in a unit that can be read', () => {
    const figures = related([
      measured('short', 81.24),
      measured('longer', 12_345),
      measured('long', 2_500_000, { marginPercent: 12.6 }),
      measured('very long', 3e9, { differs: false }),
    ]);
    const [suite] = SUITES;
    if (suite === undefined) throw new Error('no suite');
    const named = { ...suite, name: 'name', title: 'title' };
    expect(renderTitle(named)).toEqual(['', 'name: title (tinybench)']);
    expect(renderFigures(figures)).toEqual([
      '                  ops/s   per op  margin      p75      p99  samples     to first',
      '  short      12,309,207  81.2 ns  ±1.2 %  89.4 ns   162 ns     1000        1.00x',
      '  longer         81,004  12.3 µs  ±1.2 %  13.6 µs  24.7 µs     1000         152x',
      '  long              400  2.50 ms   ±13 %  2.75 ms  5.00 ms     1000       30773x',
      '  very long       0.333   3.00 s  ±1.2 %   3.30 s   6.00 s     1000  36927622x =',
    ]);
  });

  it('comes below the machine, the engines and those that are left out', () => {
    const machine = {
      date: '2026-01-02T03:04:05.678Z',
      node: 'v20.19.0',
      v8: '11.3',
      cpu: 'Some CPU',
      cores: 2,
      system: 'Linux 6.1',
      commit: 'abc1234',
      loadBefore: 0.256,
    };
    const found = [{ name: 'typescript' as const, addon: undefined, open: neverOpened }];
    const missing = [{ name: 'rust' as const, reason: 'native/warren.node is not there' }];
    expect(renderHead(machine, { found, missing })).toEqual([
      '2026-01-02T03:04:05.678Z, commit abc1234',
      'node v20.19.0 (V8 11.3), 2 x Some CPU, Linux 6.1, load 0.26',
      'engines: typescript',
      'left out: rust: native/warren.node is not there',
    ]);
  });

  it('of suites names each once', () => {
    const names = renderList(SUITES).map((line) => line.split(' ')[0]);
    expect(names).toEqual(SUITES.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });
});

function neverOpened(): never {
  throw new Error('printing opens nothing');
}

describe('options', () => {
  it('have defaults', () => {
    expect(readOptions([])).toEqual({ only: [], seconds: 0.7, json: undefined });
    expect(HELP).toContain('default 0.7');
  });

  it('are read', () => {
    const args = ['--only', 'codec,noise', '--seconds', '0.1', '--json', 'out.json'];
    expect(readOptions(args)).toEqual({
      only: ['codec', 'noise'],
      seconds: 0.1,
      json: 'out.json',
    });
    expect(readOptions(['--help'])).toBe('help');
    expect(readOptions(['--list'])).toBe('list');
  });

  it.each([['0'], ['11'], ['many']])('refuse --seconds %s', (seconds) => {
    expect(() => readOptions(['--seconds', seconds])).toThrow(/--seconds must be .* not /);
  });

  it('refuse what is not known', () => {
    expect(() => readOptions(['--rounds', '1'])).toThrow('--rounds');
    expect(() => selectSuites(SUITES, ['codec', 'codes'])).toThrow(
      '--only: no suite is called codes; there are codec, ',
    );
  });

  it('pick suites by prefix, in their own order', () => {
    const names = selectSuites(SUITES, ['noise', 'config']).map(({ name }) => name);
    expect(names).toEqual([
      'config-parse',
      'config-diff',
      'noise-records',
      'noise-1k',
      'noise-16k',
      'noise-64k',
    ]);
    expect(selectSuites(SUITES, [])).toEqual(SUITES);
  });
});
