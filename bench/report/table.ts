// Text tables with a name and right-aligned cells, and figures as cells.

import type { Summary } from './stats.ts';

export interface Line {
  readonly name: string;
  readonly cells: readonly string[];
}

const GAP = '  ';

export function renderTable(head: Line, lines: readonly Line[]): string[] {
  const all = [head, ...lines];
  const nameWidth = Math.max(...all.map(({ name }) => name.length));
  const widths = head.cells.map((_, column) =>
    Math.max(...all.map(({ cells }) => (cells[column] ?? '').length)),
  );
  return all.map(({ name, cells }) =>
    [
      name.padEnd(nameWidth),
      ...widths.map((width, column) => (cells[column] ?? '').padStart(width)),
    ]
      .join(GAP)
      .trimEnd(),
  );
}

/** Median and range. */
export function figure(summary: Summary | undefined): string {
  if (summary === undefined) return '-';
  const { median, min, max } = summary;
  return `${number(median)} (${number(min)}-${number(max)})`;
}

/** A factor, and whether it is the better or the worse side of 1. */
export function compared(factor: number | undefined, better: 'more' | 'less'): string {
  if (factor === undefined) return '-';
  const wins = better === 'more' ? factor > 1 : factor < 1;
  return `${number(factor)}x ${factor === 1 ? '=' : wins ? '+' : '!'}`;
}

/** Three significant places, or the whole number where it is longer. */
function number(of: number): string {
  const size = Math.abs(of);
  if (size === 0 || size >= 100) return of.toFixed(0);
  return of.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}
