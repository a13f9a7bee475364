/** The page and the terminal report: computed from the document, the same for the same. */
import { describe, expect, it } from 'vitest';
import type { Metric } from '../../../bench/load/rows/row.ts';
import { anchor, escaped, markdownTable } from '../../../bench/report/page/markdown.ts';
import { renderPage } from '../../../bench/report/page/page.ts';
import { drawPlots } from '../../../bench/report/plots/plots.ts';
import { terminalReport } from '../../../bench/report/terminal.ts';
import { verdicts } from '../../../bench/report/verdicts.ts';
import { documentOf, rowOf, SUBJECT, samplesOf } from './report-document.ts';

function page(document = documentOf()): string {
  return renderPage(document, drawPlots(document), 'benchmark');
}

/** The lines under a heading, without the sections in it. */
function section(text: string, heading: string): string[] {
  const lines = text.split('\n');
  const from = lines.indexOf(heading);
  if (from < 0) throw new Error(`no ${heading}`);
  const length = lines.slice(from + 1).findIndex((line) => /^##? /.test(line));
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length);
}

describe('Markdown', () => {
  it('keeps every cell in its table', () => {
    expect(markdownTable(['a|b', 'n'], [['c\nd', '*1*']])).toEqual([
      '| a\\|b | n |',
      '| --- | ---: |',
      '| c / d | \\*1\\* |',
    ]);
  });

  it('makes no markup of what others say', () => {
    expect(escaped('<b> `x` [y](z) a_b 1 < 2')).toBe('&lt;b> \\`x\\` \\[y\\](z) a\\_b 1 < 2');
  });

  it('finds headings as GitHub does', () => {
    expect(anchor("Node's threads")).toBe('nodes-threads');
    expect(anchor('Machine, versions and conditions')).toBe('machine-versions-and-conditions');
  });
});

describe('the page', () => {
  it('is the same for the same document', () => {
    expect(page()).toBe(page());
  });

  it('has as many cells in every line of a table', () => {
    const tables = page()
      .split('\n')
      .reduce<string[][]>(
        (all, line) => {
          if (line.startsWith('|')) all.at(-1)?.push(line);
          else if (all.at(-1)?.length !== 0) all.push([]);
          return all;
        },
        [[]],
      );
    const filled = tables.filter(({ length }) => length > 0);
    expect(filled.length).toBeGreaterThan(10);
    for (const table of filled) {
      expect(new Set(table.map((line) => line.split(/(?<!\\)\|/).length)).size).toBe(1);
    }
  });

  it('says first against whom the subject is better, and by how much', () => {
    const lines = section(page(), '## Summary');
    expect(lines).toContain(
      '- against **rathole**: better in 6 figures, worse in 2, about equal in 2',
    );
    expect(lines).toContain('| the row bulk-up-1: Gbit/s | 4.00x better | 2.50x better |');
    expect(lines).toContain('| the row held: 10k: RSS MiB | 2.40x worse | 1.33x worse |');
  });

  it('does not hide at first sight what only a rival has done, or has none of', () => {
    const rss: Metric = { key: 'rss10k', title: 'RSS MiB', better: 'less' };
    const loss: Metric = { key: 'lossPercent', title: 'loss %', better: 'less' };
    const rows = [
      rowOf('held', [rss], samplesOf({ rathole: { rss10k: [1] } })),
      rowOf(
        'udp-512-50k',
        [loss],
        samplesOf({ [SUBJECT]: { lossPercent: [2] }, rathole: { lossPercent: [0] } }),
      ),
    ];
    const lines = section(page(documentOf(rows)), '## Summary');
    expect(lines).toContain('| the row held: RSS MiB | no figure | - |');
    expect(lines).toContain('| the row udp-512-50k: loss % | worse: 2.00 against 0 | - |');
  });

  it('says at once how calm the machine was and what failed', () => {
    expect(page().split('\n')[2]).toContain('3 of 40 runs (7.50 %) were disturbed');
    expect(page().split('\n')[2]).toContain('1 run failed');
  });

  it('begins with the main figures, their ratios, and what goes without a tunnel', () => {
    const lines = section(page(), '## Summary');
    expect(lines).toContain(
      '| the row bulk-up-1: Gbit/s | 21.0 (20.0-22.0) | 5.25 | 4.00x + | 8.40 | 2.50x + | 42.0 |',
    );
  });

  it('says where the subject loses, the worst first', () => {
    const lines = section(page(), '## Where warren loses').filter((line) =>
      line.startsWith('| the'),
    );
    expect(lines).toEqual([
      '| the row held | 1k: RSS MiB | 120 | rathole | 50.0 | 2.40x |',
      '| the row held | 10k: RSS MiB | 960 | rathole | 400 | 2.40x |',
      '| the row held | 1k: RSS MiB | 120 | frp | 90.0 | 1.33x |',
      '| the row held | 10k: RSS MiB | 960 | frp | 720 | 1.33x |',
    ]);
  });

  it('counts a row in which only a rival has figures', () => {
    const metric = { key: 'rate', title: '/s', better: 'more' } as const;
    const row = rowOf('storm', [metric], samplesOf({ rathole: { rate: [1] } }));
    const failures = [{ row: 'storm', peer: SUBJECT, round: 1, message: 'reset' }];
    const lines = section(page({ ...documentOf([row]), failures }), '## Where warren loses');
    expect(lines).toContain('- the row storm: 1 run failed; rathole did it');
  });

  it('says so when it loses nowhere', () => {
    const metric = { key: 'rate', title: '/s', better: 'more' } as const;
    const samples = samplesOf({ [SUBJECT]: { rate: [2] }, rathole: { rate: [1] } });
    const lines = section(
      page(documentOf([rowOf('row', [metric], samples)])),
      '## Where warren loses',
    );
    expect(lines).toContain('There is none in this run.');
  });

  it('says of a target whose runs failed that it is missed, not that nobody measured it', () => {
    const metric = { key: 'rss10k', title: 'RSS MiB', better: 'less' } as const;
    const rows = [rowOf('held', [metric], samplesOf({ rathole: { rss10k: [1] } }))];
    const { peers, ...rest } = documentOf(rows);
    const failures = [{ row: 'held', peer: SUBJECT, round: 1, message: 'reset' }];
    const document = { ...rest, peers, failures, verdicts: verdicts({ peers, rows, failures }) };
    expect(section(page(document), '## Targets')).toContain(
      '| held, RSS MiB | <= 1x rathole | its runs failed against 1.00 of rathole | MISSED |',
    );
    const calm = { ...document, verdicts: verdicts({ peers, rows, failures: [] }) };
    expect(section(page(calm), '## Targets').join('')).not.toContain('| MISSED |');
  });

  it('names every target with its verdict, the missed ones first', () => {
    const document = documentOf();
    const lines = section(page(document), '## Targets').filter((line) => line.startsWith('| '));
    const words = lines.slice(2).map((line) => / (\w[\w ]*) \|$/.exec(line)?.[1]);
    expect(words).toHaveLength(document.verdicts.length);
    expect(new Set(words)).toEqual(new Set(['MISSED', 'not measured', 'met']));
    expect(words[0]).toBe('MISSED');
    expect(words.at(-1)).toBe('met');
  });

  it('names what was left out, what failed, and what was not drawn', () => {
    const lines = section(page(), '## What was left out');
    expect(lines).toContain('- **haproxy**: not installed / use apt');
    expect(lines).toContain('- `bulk-up-1`, frp, round 2: it \\| ended');
    const plots = section(page(), '## Plots');
    expect(plots).toContain('- UDP: datagrams lost');
    expect(plots).toContain('![Bulk over plain TCP](benchmark/bulk.svg)');
  });

  it('has a table for every row, and one of the threads', () => {
    for (const { name } of documentOf().rows) expect(page()).toContain(`(\`${name}\`)`);
    expect(section(page(), "## Node's threads")).toContain(
      `| bulk-up-1 | ${SUBJECT} | 0.500 | 0.250 |`,
    );
  });

  it('says with which flags the run is repeated', () => {
    expect(page()).toContain('npm run bench -- --full --rounds 2 ');
    const { extent, ...rest } = documentOf();
    expect(page({ ...rest, extent: { ...extent, rounds: 7 } })).toContain(
      'npm run bench -- --full  ',
    );
  });

  it('is made of a run without any warren, too', () => {
    const document = documentOf();
    const peers = document.peers.map((peer) => ({ ...peer, isWarren: false }));
    expect(page({ ...document, peers })).toContain('There is no build of warren in this run.');
  });
});

describe('the report on the terminal', () => {
  const lines = terminalReport(documentOf()).split('\n');

  it('stays below 120 columns', () => {
    expect(lines.filter((line) => line.length >= 120)).toEqual([]);
  });

  it('shows a row with ratio, part of the tunnel-less figure, and CPU', () => {
    const at = lines.findIndex((line) => line.startsWith('the row bulk-up-1 '));
    const rows = lines.slice(at, at + 5).map((line) => line.trim().split(/\s{2,}/));
    expect(rows).toEqual([
      ['the row bulk-up-1', 'Gbit/s', 'ratio', 'of direct', 'CPU s/GB'],
      ['direct', '42.0 (40.0-44.0)', '0.500x', '-'],
      [SUBJECT, '21.0 (20.0-22.0)', '-', '50.0 %', '0.0500 (0.0500-0.0500)'],
      ['rathole', '5.25 (5.00-5.50)', '4.00x +', '12.5 %', '0.200 (0.200-0.200)'],
      ['frp', '8.40 (8.00-8.80)', '2.50x +', '20.0 %', '0.125 (0.125-0.125)'],
    ]);
  });

  it('says what was left out and what failed before the rows, and the targets after them', () => {
    const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
    expect(lines).toContain('left out        haproxy: not installed | use apt');
    expect(lines).toContain('failed          bulk-up-1, frp, round 2: it | ended');
    expect(at('failed')).toBeLessThan(at('the row'));
    expect(at('the row')).toBeLessThan(at('targets of'));
    expect(lines.at(-2)).toMatch(/^\d+ met, \d+ MISSED, \d+ not measured\.$/);
  });
});
