// What was measured, in words and in a file. Says it also when warren loses.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../load/generator.ts';
import type { Metric } from '../load/rows/row.ts';
import { type Document, type DocumentRow, subjectOf } from './document.ts';
import { compared, figure } from './numbers.ts';
import { ratio, type Summary, summarize } from './stats.ts';
import { type Line, renderTable } from './table.ts';
import { judge, TARGETS } from './targets.ts';

const BASELINE = 'direct';

export function printReport(document: Document): void {
  const lines = [
    ...header(document),
    ...document.rows.flatMap((result) => ['', ...rowTable(document, result)]),
    ...threadTable(document),
    ...targetTable(document),
    '',
    ...notes(document),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Writes the whole document, summaries and verdicts added, and gives the path. */
export function writeResults(document: Document): string {
  const directory = join(ROOT, 'bench/results/tmp');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${document.machine.date.replaceAll(/[:.]/g, '-')}.json`);
  const rows = document.rows.map((row) => ({
    ...row,
    summaries: row.metrics.map((metric) => summaries(document, row, metric)),
  }));
  const whole = { ...document, subject: subjectOf(document) ?? null, rows };
  writeFileSync(path, `${JSON.stringify(whole, undefined, 2)}\n`);
  return path;
}

function header({ machine, peers, missing, extent, seconds }: Document): string[] {
  const versions = peers
    .filter(({ name }) => name !== BASELINE)
    .map(
      ({ name, version, engine }) =>
        `${name} ${version}${engine === null ? '' : `, engine ${engine}`}`,
    );
  return [
    `date        ${machine.date}, repository at ${machine.commit}`,
    `machine     ${machine.cores} x ${machine.cpu}, ${machine.memoryGib} GiB, Linux ${machine.kernel}, load ${machine.loadBefore.toFixed(2)} before`,
    `congestion  ${machine.congestion} (${machine.congestionSource})`,
    `versions    ${[...versions, `Node ${machine.node}`].join('; ')}`,
    ...missing.map(({ name, reason }) => `left out    ${name}: ${reason.replaceAll('\n', ' | ')}`),
    `method      ${extent.rounds} rounds interleaved in random order, runs of ${extent.seconds} s (over other transports than tcp ${extent.transportRounds} rounds, ${extent.transportSeconds} s); median (min-max); took ${seconds} s`,
  ];
}

/** Every peer's figures in one row, then the subject's over each rival's. */
function rowTable(document: Document, result: DocumentRow): string[] {
  const { title, metrics: all } = result;
  const metrics = all.filter(({ ofThreads }) => !ofThreads);
  const names = document.peers.map(({ name }) => name).filter((name) => name in result.samples);
  const subject = subjectOf(document);
  const lines = names.map((name): Line => {
    const figures = metrics.map((metric) => figure(summary(result, metric.key, name)));
    return { name: `  ${name}`, cells: figures };
  });
  const pairs = names.includes(subject ?? '') ? comparisons(document, names) : [];
  const ratios = pairs.map(([ours, theirs]): Line => {
    const cells = metrics.map((metric) => {
      const [mine, other] = [ours, theirs].map((peer) => summary(result, metric.key, peer));
      return compared(ratio(mine, other), metric.better);
    });
    return { name: `  ${ours} / ${theirs}`, cells };
  });
  return renderTable({ name: title, cells: metrics.map((metric) => metric.title) }, [
    ...lines,
    ...ratios,
  ]);
}

/** The subject with each other tunnel, and each further build of warren with the rival. */
function comparisons(document: Document, names: readonly string[]): [string, string][] {
  const subject = subjectOf(document) ?? '';
  const others = names.filter((name) => name !== subject && name !== BASELINE);
  const builds = document.peers.filter(({ isWarren }) => isWarren).map(({ name }) => name);
  return [
    ...others.map((name): [string, string] => [subject, name]),
    ...others
      .filter((name) => builds.includes(name) && names.includes('rathole'))
      .map((name): [string, string] => [name, 'rathole']),
  ];
}

/** What Node's threads used, for the peers that are Node processes. */
function threadTable(document: Document): string[] {
  const columns = new Map<string, string>();
  const lines: Line[] = [];
  for (const result of document.rows) {
    const { title, metrics: all } = result;
    const metrics = all.filter(({ ofThreads }) => ofThreads);
    for (const { key, title: column } of metrics) columns.set(key, column);
    const names = document.peers.filter(({ isWarren }) => isWarren).map(({ name }) => name);
    for (const name of names.filter((peer) => metrics.length > 0 && peer in result.samples)) {
      const cells = metrics.map((metric) => figure(summary(result, metric.key, name)));
      lines.push({ name: `  ${title}, ${name}`, cells });
    }
  }
  if (lines.length === 0) return [];
  return [
    '',
    ...renderTable({ name: '% of a core by thread', cells: [...columns.values()] }, lines),
  ];
}

export function verdicts(peers: Document['peers'], rows: Document['rows']): Document['verdicts'] {
  const subject = subjectOf({ peers });
  if (subject === undefined) return [];
  const find = (row: string, metric: string, peer: string): Summary | undefined => {
    const result = rows.find(({ name }) => name === row);
    return result && summary(result, metric, peer);
  };
  return TARGETS.filter(({ row }) => rows.some(({ name }) => name === row)).map((target) =>
    judge(target, subject, find),
  );
}

function targetTable(document: Document): string[] {
  const lines = document.verdicts.map((verdict): Line => {
    const { row, metric, than, of, atLeast, atMost } = verdict.target;
    const bound = atLeast === undefined ? `<= ${short(atMost)}` : `>= ${short(atLeast)}`;
    return {
      name: `  ${row} ${metric}${of === undefined ? '' : ` of ${of}`}`,
      cells: [
        short(verdict.ours),
        than === undefined ? '' : `${verdict.against ?? than.join(', ')} ${short(verdict.theirs)}`,
        verdict.ratio === undefined ? '' : `${short(verdict.ratio)}x`,
        `${bound}${than === undefined ? '' : 'x'}`,
        verdict.met === undefined ? 'not measured' : verdict.met ? 'met' : 'MISSED',
      ],
    };
  });
  if (lines.length === 0) return [];
  const name = `targets of ${subjectOf(document)}`;
  return ['', ...renderTable({ name, cells: ['median', 'against', 'ratio', 'wanted', ''] }, lines)];
}

function short(value: number | undefined): string {
  return value === undefined ? '-' : String(Number(value.toPrecision(3)));
}

function notes({ failures, disturbed, extent }: Document): string[] {
  return [
    '- : not applicable, or every try failed. direct is the sink without a tunnel. + better, ! worse.',
    'JS is the main thread of a Node process, helpers are the threads of V8 and libuv.',
    `${disturbed.cells} of ${disturbed.of} runs stayed disturbed by other programs (over 0.3 cores) after ${extent.tries} tries.`,
    ...failures.map(
      ({ row, peer, round, message }) => `failed: ${row}, ${peer}, round ${round}: ${message}`,
    ),
  ];
}

function summary({ samples }: DocumentRow, key: string, peer: string): Summary | undefined {
  const values = (samples[peer] ?? []).flatMap((sample) => sample.numbers[key] ?? []);
  return summarize(values.filter(Number.isFinite));
}

/** One metric of one row: per peer the summary, per rival the ratio of the subject to it. */
function summaries(
  document: Document,
  result: DocumentRow,
  metric: Metric,
): {
  key: string;
  title: string;
  byPeer: Record<string, Summary | undefined>;
  ratios: Record<string, number | undefined>;
} {
  const names = document.peers.map(({ name }) => name);
  const byPeer = Object.fromEntries(names.map((name) => [name, summary(result, metric.key, name)]));
  const subject = subjectOf(document);
  const ratios = Object.fromEntries(
    names
      .filter((name) => subject !== undefined && name !== subject)
      .map((name) => [name, ratio(byPeer[subject ?? ''], byPeer[name])]),
  );
  return { key: metric.key, title: metric.title, byPeer, ratios };
}
