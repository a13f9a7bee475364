// The few figures that most people come for.

import type { Metric } from '../../load/rows/row.ts';
import { type Document, type DocumentRow, subjectOf } from '../document.ts';
import { fullTitle, ownMetrics, ratioCell, summary } from '../figures.ts';
import { rivalsOf } from '../losses.ts';
import { figure, number } from '../numbers.ts';
import { BASELINE } from '../peers.ts';
import { glance } from './glance.ts';
import { escaped, markdownTable } from './markdown.ts';

/** The rows of the first table and what of them it shows; without keys, what each is about. */
const MAIN: readonly { readonly row: RegExp; readonly keys?: readonly string[] }[] = [
  { row: /^bulk-(up|down)-[18]$/, keys: ['gbit', 'cpu'] },
  { row: /^iperf3-/ },
  { row: /^visitors-32$/, keys: ['per_second', 'cpu'] },
  { row: /^requests$/ },
  { row: /^http-/, keys: ['per_second', 'p99_us'] },
  { row: /^latency-/, keys: ['p50_us', 'p99_us', 'p999_us'] },
  { row: /^pingpong$/, keys: ['p99_us'] },
  { row: /^jitter$/, keys: ['p99_us'] },
  { row: /^udp-512-50k$/, keys: ['lossPercent', 'cpu'] },
  { row: /^idle$/, keys: ['rss', 'private', 'privateDirty'] },
  { row: /^held$/, keys: ['rss1k', 'rss10k', 'each10k'] },
  { row: /^memory-run$/, keys: ['peakRss', 'steadyRss'] },
  { row: /^(restart|reload)/ },
  { row: /^(visitors-32|first-byte)-20ms$/ },
  { row: /^(noise|tls|websocket)-bulk-(up-1|down-8)$/, keys: ['gbit'] },
  { row: /^(noise|tls|websocket)-visitors-32$/, keys: ['per_second'] },
];

export function summarySection(document: Document): string[] {
  const subject = subjectOf(document);
  if (subject === undefined) return ['There is no build of warren in this run.'];
  const rivals = rivalsOf(document);
  const hasBaseline = document.peers.some(({ name }) => name === BASELINE);
  const rows = MAIN.flatMap(({ row: names, keys }) =>
    document.rows
      .filter(({ name }) => names.test(name))
      .flatMap((row) =>
        picked(row, keys).map((metric) => line(document, row, metric, hasBaseline)),
      ),
  ).filter((cells) => cells[1] !== '-');
  if (rows.length === 0) return ['None of the main rows was measured; see every row below.'];
  const head = [
    'what',
    subject,
    ...rivals.flatMap((name) => [name, 'ratio']),
    ...(hasBaseline ? ['without a tunnel'] : []),
  ];
  return [
    ...glance(document),
    '',
    '### Main figures',
    '',
    `Medians of all rounds, with the range of ${escaped(subject)} in brackets. A ratio is ${escaped(subject)} over the peer left of it; ` +
      '`+` says that it is better than that peer, `!` that it is worse, `=` that they differ by no more than noise.',
    '',
    ...markdownTable(head, rows),
  ];
}

function picked(row: DocumentRow, keys: readonly string[] | undefined): Metric[] {
  const metrics = ownMetrics(row);
  if (keys === undefined) return metrics.slice(0, 1);
  return metrics.filter(({ key }) => keys.includes(key));
}

function line(
  document: Document,
  row: DocumentRow,
  metric: Metric,
  hasBaseline: boolean,
): string[] {
  const { key } = metric;
  const median = (peer: string): string => number(summary(row, key, peer)?.median);
  return [
    `${row.title}: ${fullTitle(row, key)}`,
    figure(summary(row, key, subjectOf(document) ?? '')),
    ...rivalsOf(document).flatMap((rival) => [
      median(rival),
      ratioCell(document, row, metric, rival),
    ]),
    ...(hasBaseline ? [median(BASELINE)] : []),
  ];
}
