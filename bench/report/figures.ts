// Figures of a document: medians over rounds, their ratios, and the full names of metrics.

import { type Metric, PROCESS_METRICS } from '../load/rows/row.ts';
import { type Document, type DocumentRow, subjectOf } from './document.ts';
import { number } from './numbers.ts';
import { BASELINE } from './peers.ts';
import { standing } from './standing.ts';
import { ratio, type Summary, summarize } from './stats.ts';

/** Numbers that rows keep beside those they print, and that targets name. */
const KEPT: Readonly<Record<string, string>> = {
  js: 'JS thread, % of a core',
};

/** What a load itself shows; what Node's threads used stands in a table of its own. */
export function ownMetrics({ metrics }: DocumentRow): Metric[] {
  return metrics.filter(({ ofThreads }) => !ofThreads);
}

/** The first is what the row is about. */
export function mainMetric(row: DocumentRow): Metric | undefined {
  return ownMetrics(row)[0];
}

/** A peer's median and range; `undefined` where it has no such number. */
export function summary({ samples }: DocumentRow, key: string, peer: string): Summary | undefined {
  const values = (samples[peer] ?? []).flatMap((sample) => sample.numbers[key] ?? []);
  return summarize(values.filter(Number.isFinite));
}

/** Those of the document's peers that the row has samples of, in the document's order. */
export function peersIn({ peers }: Pick<Document, 'peers'>, { samples }: DocumentRow): string[] {
  return peers.map(({ name }) => name).filter((name) => name in samples);
}

/** Of these, those that have a figure in it. */
export function measuredIn(document: Pick<Document, 'peers'>, row: DocumentRow): string[] {
  return peersIn(document, row).filter((name) =>
    ownMetrics(row).some(({ key }) => summary(row, key, name) !== undefined),
  );
}

/** The subject's figure over a peer's. */
export function subjectOver(
  document: Document,
  row: DocumentRow,
  key: string,
  peer: string,
): number | undefined {
  const subject = subjectOf(document);
  if (subject === undefined || peer === subject) return undefined;
  return ratio(summary(row, key, subject), summary(row, key, peer));
}

const MARKS = { better: '+', worse: '!', equal: '=' } as const;

/** The same in words, with a mark whether the subject is better; to no tunnel at all it cannot be. */
export function ratioCell(
  document: Document,
  row: DocumentRow,
  { key, better }: Metric,
  peer: string,
): string {
  const subject = subjectOf(document);
  const [ours, theirs] = [subject ?? '', peer].map((name) => summary(row, key, name));
  if (peer === subject || ours === undefined || theirs === undefined) return '-';
  const factor = ratio(ours, theirs);
  // To nothing there is no ratio, but a better and a worse.
  const times = factor === undefined ? '-' : `${number(factor)}x`;
  return peer === BASELINE ? times : `${times} ${MARKS[standing(better, ours, theirs).word]}`;
}

/** Percent of the tunnel-less figure; only where more is better that says how near a peer comes. */
export function ofBaseline(row: DocumentRow, metric: Metric, peer: string): number | undefined {
  if (metric.better === 'less' || peer === BASELINE) return undefined;
  const part = ratio(summary(row, metric.key, peer), summary(row, metric.key, BASELINE));
  return part === undefined ? undefined : part * 100;
}

/** The title of a metric where it stands alone: `CPU s/GB, server`, `10k: private dirty MiB`. */
export function fullTitle({ metrics }: Pick<DocumentRow, 'metrics'>, key: string): string {
  const metric = [...metrics, ...PROCESS_METRICS].find((each) => each.key === key);
  if (metric === undefined) return KEPT[key] ?? key;
  const [, whole, end] = /^(\w+)(Server|Client)$/.exec(key) ?? [];
  const both = metrics.find((each) => each.key === whole);
  if (both !== undefined && end?.toLowerCase() === metric.title) {
    return `${both.title}, ${metric.title}`;
  }
  const [, level] = /(\d+k?)$/.exec(key) ?? [];
  const isAlone = metrics.filter(({ title }) => title === metric.title).length === 1;
  return isAlone || level === undefined ? metric.title : `${level}: ${metric.title}`;
}
