// What was measured, in words and in a file. Says it also when warren loses.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './load.ts';
import type { Machine } from './machine.ts';
import type { Options } from './options.ts';
import type { Missing } from './peers.ts';
import type { Metric } from './row.ts';
import { ROWS } from './rows.ts';
import type { Failure, RowResult } from './schedule.ts';
import { ratio, type Summary, summarize } from './stats.ts';

export interface Document {
  readonly machine: Machine;
  readonly options: Options;
  readonly peers: readonly { name: string; version: string; engine: string | null }[];
  readonly missing: readonly Missing[];
  readonly seconds: number;
  readonly disturbed: { readonly cells: number; readonly of: number };
  readonly failures: readonly Failure[];
  readonly rows: readonly RowResult[];
}

const OURS = 'warren';
const BASELINE = 'direct';
const TITLE_COLUMNS = 60;
const VALUE_COLUMNS = 22;
const RATIO_COLUMNS = 15;

export function printReport(document: Document): void {
  const lines = [...header(document), '', ...table(document), '', ...notes(document)];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Writes the whole document, medians added, and gives the path. */
export function writeResults(document: Document): string {
  const directory = join(ROOT, 'bench/results/tmp');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${document.machine.date.replaceAll(/[:.]/g, '-')}.json`);
  const rows = document.rows.map((row) => ({
    ...row,
    metrics: rowMetrics(row).map((metric) => summaries(document, row, metric)),
  }));
  writeFileSync(path, `${JSON.stringify({ ...document, rows }, undefined, 2)}\n`);
  return path;
}

function header({ machine, peers, missing, options, seconds }: Document): string[] {
  const versions = peers
    .filter(({ name }) => name !== BASELINE)
    .map(
      ({ name, version, engine }) =>
        `${name} ${version}${engine === null ? '' : ` (engine ${engine})`}`,
    );
  return [
    `date        ${machine.date}, repository at ${machine.commit}`,
    `machine     ${machine.cores} x ${machine.cpu}, ${machine.memoryGib} GiB, Linux ${machine.kernel}, load ${machine.loadBefore.toFixed(2)} before`,
    `congestion  ${machine.congestion} (${machine.congestionSource})`,
    `versions    ${[...versions, `Node ${machine.node}`].join(', ')}`,
    ...missing.map(({ name, reason }) => `left out    ${name}: ${reason}`),
    `method      ${options.rounds} rounds interleaved in random order, runs of ${options.seconds} s; median (min-max); took ${seconds} s`,
  ];
}

function table(document: Document): string[] {
  const names = document.peers.map(({ name }) => name);
  const rivals = names.includes(OURS)
    ? names.filter((name) => name !== OURS && name !== BASELINE)
    : [];
  const line = (title: string, values: readonly string[], ratios: readonly string[]): string =>
    [
      title.padEnd(TITLE_COLUMNS),
      ...values.map((value) => value.padStart(VALUE_COLUMNS)),
      ...ratios.map((value) => value.padStart(RATIO_COLUMNS)),
    ].join('');
  const body = document.rows.flatMap((row) =>
    rowMetrics(row).map((metric) => {
      const { byPeer, ratios } = summaries(document, row, metric);
      return line(
        metric.title,
        names.map((name) => value(byPeer[name])),
        rivals.map((name) => comparison(ratios[name], metric)),
      );
    }),
  );
  const head = line(
    '',
    names,
    rivals.map((name) => `warren/${name}`),
  );
  return [head, '-'.repeat(head.length), ...body];
}

function notes({ failures, disturbed, options }: Document): string[] {
  return [
    '- : not applicable, or every try failed. direct is the sink without a tunnel. + better, ! worse.',
    `${disturbed.cells} of ${disturbed.of} runs stayed disturbed by other programs (over 0.3 cores) after ${options.tries} tries.`,
    ...failures.map(
      ({ row, peer, round, message }) => `failed: ${row}, ${peer}, round ${round}: ${message}`,
    ),
  ];
}

function rowMetrics(row: RowResult): readonly Metric[] {
  return ROWS.find(({ name }) => name === row.name)?.metrics ?? [];
}

/** One metric of one row: per peer the summary, per rival the ratio of warren to it. */
function summaries(
  document: Document,
  row: RowResult,
  metric: Metric,
): {
  key: string;
  title: string;
  byPeer: Record<string, Summary | undefined>;
  ratios: Record<string, number | undefined>;
} {
  const byPeer: Record<string, Summary | undefined> = {};
  const ratios: Record<string, number | undefined> = {};
  for (const { name } of document.peers) {
    const values = (row.samples[name] ?? []).flatMap((sample) => sample[metric.key] ?? []);
    byPeer[name] = summarize(values.filter(Number.isFinite));
  }
  for (const { name } of document.peers) {
    if (name !== OURS) ratios[name] = ratio(byPeer[OURS], byPeer[name]);
  }
  return { key: metric.key, title: metric.title.trim(), byPeer, ratios };
}

function value(summary: Summary | undefined): string {
  if (summary === undefined) return '-';
  const { median, min, max } = summary;
  return `${number(median)} (${number(min)}-${number(max)})`;
}

function comparison(factor: number | undefined, metric: Metric): string {
  if (factor === undefined) return '-';
  const wins = metric.better === 'more' ? factor > 1 : factor < 1;
  return `${number(factor)}x ${factor === 1 ? '=' : wins ? '+' : '!'}`;
}

/** Three significant places, or the whole number where it is longer. */
function number(of: number): string {
  const size = Math.abs(of);
  if (size === 0 || size >= 100) return of.toFixed(0);
  return of.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}
