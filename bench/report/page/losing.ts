// Where the subject loses, in words and as a table.

import { type Document, subjectOf } from '../document.ts';
import { fullTitle } from '../figures.ts';
import {
  absences,
  type Loss,
  losses,
  type ProcessLosses,
  processLosses,
  rivalsOf,
} from '../losses.ts';
import { count, eitherOf, figure, number } from '../numbers.ts';
import { STANDING_RULE } from '../standing.ts';
import { escaped, list, markdownTable } from './markdown.ts';

export function lossSection(document: Document): string[] {
  const subject = subjectOf(document);
  const rivals = rivalsOf(document);
  if (subject === undefined) return [];
  if (rivals.length === 0) return ['No other tunnel took part in this run.'];
  const found = losses(document);
  const rule =
    `Every metric in which ${escaped(subject)} is worse than ${escaped(eitherOf(rivals))}, the worst first. ` +
    `It counts where ${STANDING_RULE}.`;
  return [
    rule,
    '',
    ...(found.length === 0
      ? ['There is none in this run.']
      : [
          `${count(found.length, 'figure')} in ${count(new Set(found.map(({ row }) => row)).size, 'row')}:`,
          '',
          ...lossTable(subject, found),
        ]),
    ...absenceLines(document, subject),
    ...processLines(subject, processLosses(document)),
  ];
}

/** A failure is no better than a bad figure. */
function absenceLines(document: Document, subject: string): string[] {
  const found = absences(document).map(({ row, rivals }) => {
    const { length } = document.failures.filter(
      (failure) => failure.row === row.name && failure.peer === subject,
    );
    const why = length === 0 ? 'was not measured' : `${count(length, 'run')} failed`;
    return `${escaped(row.title)}: ${why}; ${escaped(rivals.join(' and '))} did it`;
  });
  if (found.length === 0) return [];
  return ['', `Without any figure of ${escaped(subject)}, which a rival has:`, '', ...list(found)];
}

function lossTable(subject: string, found: readonly Loss[]): string[] {
  const head = ['row', 'metric', subject, 'against', 'has', 'worse by'];
  const rows = found.map(({ row, metric, ours, rival, theirs, times }) => [
    row.title,
    fullTitle(row, metric.key),
    figure(ours),
    rival,
    figure(theirs),
    worseBy(times),
  ]);
  return markdownTable(head, rows, ['left', 'left', 'right', 'left', 'right', 'right']);
}

function worseBy(times: number): string {
  return Number.isFinite(times) ? `${number(times)}x` : 'from zero';
}

/** What every row has would bury the rest: a line for each metric and rival. */
function processLines(subject: string, found: readonly ProcessLosses[]): string[] {
  if (found.length === 0) return [];
  const rows = found.map(({ metric, rival, rows: lost, of, most }) => [
    metric.title,
    rival,
    `${lost} of ${of}`,
    `${worseBy(most.times)}: ${number(most.ours.median)} against ${number(most.theirs.median)}`,
    most.row.title,
  ]);
  return [
    '',
    `Every row also counts memory and context switches, of both ends together. In so many rows ${escaped(subject)} needed more than a rival, and there most:`,
    '',
    ...markdownTable(['metric', 'against', 'rows', 'at most', 'in'], rows, [
      'left',
      'left',
      'right',
      'right',
      'left',
    ]),
  ];
}
