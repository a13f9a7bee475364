// The first look: against whom the subject is better, in how many figures, and by how much in those
// that most people ask for. Knows rows by their names, and no result.

import type { Metric } from '../../load/rows/row.ts';
import { type Document, type DocumentRow, subjectOf } from '../document.ts';
import { fullTitle, ownMetrics, summary } from '../figures.ts';
import { rivalsOf } from '../losses.ts';
import { count, number } from '../numbers.ts';
import { STANDING_RULE, type Standing, standing } from '../standing.ts';
import { bold, escaped, list, markdownTable } from './markdown.ts';

/** Where a subject may win and where it may lose; each row's metrics in this order. */
const ASKED: readonly { readonly row: RegExp; readonly keys: readonly string[] }[] = [
  { row: /^bulk-(up-1|down-8)$/, keys: ['gbit', 'cpu'] },
  { row: /^visitors-32$/, keys: ['per_second'] },
  { row: /^http-/, keys: ['per_second'] },
  { row: /^latency-(close-2000|keepalive-15000)$/, keys: ['p99_us'] },
  { row: /^udp-512-50k$/, keys: ['lossPercent', 'cpu'] },
  { row: /^(noise|tls|websocket)-bulk-up-1$/, keys: ['gbit'] },
  { row: /^idle$/, keys: ['rss', 'privateDirty'] },
  { row: /^held$/, keys: ['rss10k'] },
  { row: /^restart$/, keys: ['killedMs'] },
];

export function glance(document: Document): string[] {
  const subject = subjectOf(document);
  const rivals = rivalsOf(document);
  if (subject === undefined || rivals.length === 0) return [];
  const rows = ASKED.flatMap(({ row: names, keys }) =>
    document.rows
      .filter(({ name }) => names.test(name))
      .flatMap((row) =>
        ownMetrics(row)
          .filter(({ key }) => keys.includes(key))
          .map((metric) => [
            `${row.title}: ${fullTitle(row, metric.key)}`,
            ...rivals.map((rival) => inWords(document, row, metric, rival)),
          ]),
      ),
  ).filter((cells) => cells.slice(1).some((cell) => cell !== '-'));
  return [
    `How ${escaped(subject)} stands in every metric of every row (memory and context switches, which each row counts besides, are further down). It is better or worse where ${STANDING_RULE}.`,
    '',
    ...list(rivals.map((rival) => tally(document, rival))),
    ...(rows.length === 0 ? [] : ['', ...markdownTable(['', ...rivals.map(against)], rows)]),
  ];
}

function against(rival: string): string {
  return `against ${rival}`;
}

function tally(document: Document, rival: string): string {
  const all = document.rows.flatMap((row) =>
    ownMetrics(row).flatMap((metric) => standingIn(document, row, metric, rival) ?? []),
  );
  const of = (word: Standing['word']): number => all.filter((each) => each.word === word).length;
  return `against ${bold(rival)}: better in ${count(of('better'), 'figure')}, worse in ${of('worse')}, about equal in ${of('equal')}`;
}

function standingIn(
  document: Document,
  row: DocumentRow,
  { key, better }: Metric,
  rival: string,
): Standing | undefined {
  const ours = summary(row, key, subjectOf(document) ?? '');
  const theirs = summary(row, key, rival);
  return ours === undefined || theirs === undefined ? undefined : standing(better, ours, theirs);
}

function inWords(document: Document, row: DocumentRow, metric: Metric, rival: string): string {
  const ours = summary(row, metric.key, subjectOf(document) ?? '');
  const theirs = summary(row, metric.key, rival);
  if (theirs === undefined) return '-';
  if (ours === undefined) return 'no figure';
  const { word, times } = standing(metric.better, ours, theirs);
  if (word === 'equal') return 'about equal';
  return Number.isFinite(times)
    ? `${number(times)}x ${word}`
    : `${word}: ${number(ours.median)} against ${number(theirs.median)}`;
}
