// What the guard looks at: the rows in which a regression shows, and of each the figures that say it.

import type { Metric, Row } from '../load/rows/row.ts';

export const WATCHED: readonly string[] = [
  'bulk-up-1',
  'bulk-down-8',
  'requests',
  'visitors-32',
  'udp-512-50k',
  'noise-bulk-up-1',
  'tls-bulk-up-1',
  'idle',
  'held',
];

/** CPU per unit of work; rows without load have none. */
const CPU = 'cpu';

/** The row's main figure and what it costs in CPU. */
export function watchedMetrics({ kind, metrics }: Pick<Row, 'kind' | 'metrics'>): Metric[] {
  const main = mainMetric(kind, metrics);
  const cpu = metrics.find(({ key }) => key === CPU);
  return [main, cpu].filter((metric) => metric !== undefined);
}

function mainMetric(kind: string, metrics: readonly Metric[]): Metric | undefined {
  // Nothing is lost as a rule, and nothing has no ratio.
  if (kind.startsWith('udp')) return undefined;
  // Resident memory is mostly Node's program text. The last one is with the most connections.
  const own = metrics.filter(({ key }) => key.startsWith('private'));
  return own.at(-1) ?? metrics[0];
}
