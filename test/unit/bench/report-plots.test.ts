/** The pictures: every peer with its range, the same bytes for the same document. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROWS } from '../../../bench/load/rows/rows.ts';
import { drawPlots } from '../../../bench/report/plots/plots.ts';
import { writePage } from '../../../bench/report/write.ts';
import { documentOf, rowOf, SUBJECT, samplesOf } from './report-document.ts';

const MOST_BYTES = 60 * 1024;

function plot(name: string, document = documentOf()): string {
  const found = drawPlots(document).drawn.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no plot ${name}`);
  return found.svg;
}

function textsIn(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text);
}

describe('plots', () => {
  it('are drawn where there is data, and else named', () => {
    const { drawn, absent } = drawPlots(documentOf());
    expect(drawn.map(({ name }) => name)).toEqual([
      'bulk',
      'bulk-cpu',
      'memory',
      'memory-run',
      'latency-close-2000',
    ]);
    expect(absent).toContain('UDP: datagrams lost');
    expect(absent).toContain('Visitors and requests');
  });

  it('have rows that the runner measures, every one of them', () => {
    const series = { rss: [[0, 1] as const], percentiles: [[50, 1] as const] };
    const rows = ROWS.map(({ name, metrics }) => {
      const numbers = Object.fromEntries(metrics.map(({ key }) => [key, [1]]));
      return rowOf(name, metrics, samplesOf({ [SUBJECT]: numbers }, series));
    });
    expect(drawPlots(documentOf(rows)).absent).toEqual([]);
  });

  it('are the same bytes for the same document, and small', () => {
    const [first, second] = [drawPlots(documentOf()), drawPlots(documentOf())];
    expect(second).toEqual(first);
    for (const { svg } of first.drawn) expect(Buffer.byteLength(svg)).toBeLessThan(MOST_BYTES);
  });

  it('are white, whatever the page is', () => {
    for (const { svg } of drawPlots(documentOf()).drawn) {
      expect(svg).toMatch(/<rect width="860" height="\d+" x="0" y="0" fill="#ffffff">/);
    }
  });

  it('name every peer in every row, its median and the unit', () => {
    const texts = textsIn(plot('bulk'));
    for (const peer of ['direct', SUBJECT, 'rathole', 'frp']) {
      expect(texts.filter((text) => text === peer)).toHaveLength(2);
    }
    for (const text of ['42.0', '21.0', '5.25', '8.40', 'Gbit/s', 'the row bulk-up-1']) {
      expect(texts).toContain(text);
    }
  });

  it('show the range from the lowest to the highest round', () => {
    const metric = { key: 'gbit', title: 'Gbit/s', better: 'more' } as const;
    const row = (values: readonly number[]) =>
      documentOf([rowOf('bulk-up-1', [metric], samplesOf({ [SUBJECT]: { gbit: values } }))]);
    // The axis goes from 190 to 832 and, with a highest round of 40, to 50.
    const place = (value: number): number => Math.round(190 + ((832 - 190) * value) / 50);
    const ends = [
      ...plot('bulk', row([10, 20, 40])).matchAll(/<path d="M([\d.]+) [^"]*L([\d.]+) /g),
    ];
    const found = ends.map(([, left, right]) => [
      Math.round(Number(left)),
      Math.round(Number(right)),
    ]);
    expect(found).toContainEqual([place(10), place(40)]);
    const bar = /<path d="M190 [\d.]+l([\d.]+) 0/.exec(plot('bulk', row([10, 20, 40])))?.[1];
    expect(190 + Number(bar)).toBeCloseTo(place(20), -1);
  });

  it('draw percentiles with a width for each nine, and values over time', () => {
    expect(textsIn(plot('latency-close-2000'))).toEqual(
      expect.arrayContaining(['50', '99', '99.9', SUBJECT, 'rathole']),
    );
    expect(textsIn(plot('latency-close-2000'))).not.toContain('10');
    expect(textsIn(plot('memory-run'))).toEqual(
      expect.arrayContaining([SUBJECT, 'frp', 'RSS of both ends, MiB']),
    );
  });

  it('have the colour of a peer everywhere', () => {
    for (const { svg } of drawPlots(documentOf()).drawn) expect(svg).toContain('"#0072b2"');
  });

  it('are written into the folder of the page, without those of an earlier run', () => {
    const directory = mkdtempSync(join(tmpdir(), 'warren-report-'));
    try {
      const page = join(directory, 'benchmark.md');
      writePage(documentOf(), page);
      writeFileSync(join(directory, 'benchmark/old.svg'), '');
      const paths = writePage(documentOf(), page);
      const names = readdirSync(join(directory, 'benchmark')).map((name) => `benchmark/${name}`);
      expect(paths.map((path) => path.slice(directory.length + 1)).sort()).toEqual(
        ['benchmark.md', ...names].sort(),
      );
      for (const name of names) expect(readFileSync(page, 'utf8')).toContain(`](${name})`);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
