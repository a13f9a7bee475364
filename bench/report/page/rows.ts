// Every row with all its metrics, and what the processes used meanwhile.

import { PROCESS_METRICS } from '../../load/rows/row.ts';
import type { Document, DocumentRow } from '../document.ts';
import {
  fullTitle,
  mainMetric,
  measuredIn,
  ofBaseline,
  ownMetrics,
  peersIn,
  ratioCell,
  summary,
} from '../figures.ts';
import { figure, number } from '../numbers.ts';
import { escaped, markdownTable } from './markdown.ts';

export function rowSection(document: Document): string[] {
  const transports = [...new Set(document.rows.map(({ transport }) => transport))];
  return [
    'The ratio is the first metric of the subject over that of the peer in this line; the part is the first metric as percentage of what goes without a tunnel. ' +
      'Brackets: the lowest and the highest round.',
    ...transports.flatMap((transport) => [
      '',
      `### Over ${transport}`,
      ...document.rows
        .filter((row) => row.transport === transport)
        .flatMap((row) => ['', ...oneRow(document, row)]),
    ]),
  ];
}

function oneRow(document: Document, row: DocumentRow): string[] {
  const metrics = ownMetrics(row);
  const main = mainMetric(row);
  const names = measuredIn(document, row);
  if (main === undefined || names.length === 0) return [];
  const hasBaseline = names.some((name) => ofBaseline(row, main, name) !== undefined);
  const head = [
    '',
    ...metrics.map(({ key }) => fullTitle(row, key)),
    'ratio',
    ...(hasBaseline ? ['of direct'] : []),
  ];
  const lines = names.map((name) => {
    const part = ofBaseline(row, main, name);
    return [
      name,
      ...metrics.map(({ key }) => figure(summary(row, key, name))),
      ratioCell(document, row, main, name),
      ...(hasBaseline ? [part === undefined ? '-' : `${number(part)} %`] : []),
    ];
  });
  return [`#### ${escaped(row.title)} (\`${row.name}\`)`, '', ...markdownTable(head, lines)];
}

/** A table a metric: a line a row, a column a peer. */
export function processSection(document: Document): string[] {
  const tables = PROCESS_METRICS.flatMap((metric) => {
    const has = (row: DocumentRow, name: string): boolean =>
      summary(row, metric.key, name) !== undefined;
    const names = document.peers
      .map(({ name }) => name)
      .filter((name) => document.rows.some((row) => has(row, name)));
    const rows = document.rows.filter((row) => names.some((name) => has(row, name)));
    if (rows.length === 0) return [];
    const lines = rows.map((row) => [
      row.name,
      ...names.map((name) => number(summary(row, metric.key, name)?.median)),
    ]);
    return ['', `### ${escaped(metric.title)}`, '', ...markdownTable(['', ...names], lines)];
  });
  if (tables.length === 0) return [];
  return [
    'Of both relay processes together, medians of all rounds. Peak is the highest level during the row; after is what is left at its end. ' +
      'Rows follow each other on the same processes, so a row also shows what those before it have left allocated. ' +
      'PSS shares out the pages that several processes map: all builds of warren and the runner itself map Node, and all tunnels of a round run beside each other, so that PSS and private memory are lower here than where a program runs alone. RSS and private dirty memory do not depend on that.',
    ...tables,
  ];
}

export function threadSection(document: Document): string[] {
  const warrens = document.peers.filter(({ isWarren }) => isWarren).map(({ name }) => name);
  const rows = document.rows.filter(({ metrics }) => metrics.some(({ ofThreads }) => ofThreads));
  const columns = new Map<string, string>();
  for (const { metrics } of rows) {
    for (const { key, title } of metrics.filter(({ ofThreads }) => ofThreads)) {
      columns.set(key, title);
    }
  }
  const lines = rows.flatMap((row) =>
    peersIn(document, row)
      .filter((name) => warrens.includes(name))
      .map((name) => [
        row.name,
        name,
        ...[...columns.keys()].map((key) => number(summary(row, key, name)?.median)),
      ]),
  );
  if (lines.length === 0) return [];
  return [
    'Percent of one core, medians of all rounds. JS is the main thread of a Node process, helpers are the threads of V8 and libuv, engine is the native engine.',
    '',
    ...markdownTable(['row', 'peer', ...columns.values()], lines, [
      'left',
      'left',
      ...[...columns].map(() => 'right' as const),
    ]),
  ];
}
