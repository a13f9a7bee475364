// Where the subject is worse than a tunnel that somebody may take in its place.

import { type Metric, PROCESS_METRICS } from '../load/rows/row.ts';
import { type Document, type DocumentRow, subjectOf } from './document.ts';
import { measuredIn, ownMetrics, peersIn, summary } from './figures.ts';
import { isRival } from './peers.ts';
import { standing } from './standing.ts';
import type { Summary } from './stats.ts';

export interface Loss {
  readonly row: DocumentRow;
  readonly metric: Metric;
  readonly rival: string;
  readonly ours: Summary;
  readonly theirs: Summary;
  /** How many times worse; infinite where the better figure is zero. */
  readonly times: number;
}

export interface ProcessLosses {
  readonly metric: Metric;
  readonly rival: string;
  readonly rows: number;
  readonly of: number;
  readonly most: Loss;
}

/** Every metric of every row in which a rival is better beyond noise, the worst first. */
export function losses(document: Document): Loss[] {
  return document.rows
    .flatMap((row) => ownMetrics(row).flatMap((metric) => lossesIn(document, row, metric)))
    .sort((a, b) => (a.times === b.times ? 0 : b.times - a.times));
}

/** The same of what every row has of its processes: one line a metric and rival. */
export function processLosses(document: Document): ProcessLosses[] {
  return PROCESS_METRICS.flatMap((metric) => {
    const all = document.rows.flatMap((row) => lossesIn(document, row, metric));
    return rivalsOf(document).flatMap((rival) => {
      const own = all.filter((loss) => loss.rival === rival);
      const most = own.sort((a, b) => b.times - a.times)[0];
      if (most === undefined) return [];
      const both = document.rows.filter((row) =>
        [subjectOf(document) ?? '', rival].every((peer) => summary(row, metric.key, peer)),
      );
      return [{ metric, rival, rows: own.length, of: both.length, most }];
    });
  });
}

/** Rows in which the subject has no figure and a rival has: its runs failed, or were not made. */
export function absences(
  document: Document,
): { readonly row: DocumentRow; readonly rivals: readonly string[] }[] {
  return document.rows.flatMap((row) => {
    const measured = measuredIn(document, row);
    const rivals = rivalsOf(document).filter((rival) => measured.includes(rival));
    const isAbsent = !measured.includes(subjectOf(document) ?? '');
    return isAbsent && rivals.length > 0 ? [{ row, rivals }] : [];
  });
}

export function rivalsOf({ peers }: Document): string[] {
  return peers.filter(isRival).map(({ name }) => name);
}

function lossesIn(document: Document, row: DocumentRow, metric: Metric): Loss[] {
  const ours = summary(row, metric.key, subjectOf(document) ?? '');
  if (ours === undefined) return [];
  const measured = peersIn(document, row);
  return rivalsOf(document)
    .filter((rival) => measured.includes(rival))
    .flatMap((rival) => {
      const theirs = summary(row, metric.key, rival);
      if (theirs === undefined) return [];
      const { word, times } = standing(metric.better, ours, theirs);
      return word === 'worse' ? [{ row, metric, rival, ours, theirs, times }] : [];
    });
}
