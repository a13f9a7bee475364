// What the guard found, as a table, a last line, and a file.

import { writeFileSync } from 'node:fs';
import { figure } from '../report/numbers.ts';
import { summarize } from '../report/stats.ts';
import { renderTable } from '../report/table.ts';
import type { Finding, Measured } from './measure.ts';
import type { GuardOptions } from './options.ts';
import type { Commit, WorkingTree } from './repository.ts';

export interface Compared {
  readonly now: WorkingTree;
  readonly before: Commit;
  readonly options: GuardOptions;
  readonly measured: Measured;
}

/** What fails the guard. */
export function regressions({ findings }: Measured): Finding[] {
  return findings.filter(({ verdict }) => ['regressed', 'failed'].includes(verdict.word));
}

/** The report's lines; the last one says whether it passed. */
export function guardReport(compared: Compared): string[] {
  const { now, before, options, measured } = compared;
  const { machine, failures, missing, disturbed, seconds } = measured;
  const { rounds, seconds: length } = options.load;
  const changes = now.dirty ? ', with changes that are not committed' : '';
  return [
    `working tree ${now.short}${changes} (${now.subject})`,
    `compared to  ${before.short} (${before.subject})`,
    `machine      ${machine.cores} x ${machine.cpu}, Linux ${machine.kernel}, load ${machine.loadBefore.toFixed(2)} before`,
    `method       ${rounds} rounds interleaved in random order, runs of ${length} s; took ${seconds} s`,
    '',
    ...table(compared),
    '',
    'Figures are median (min-max). A ratio is the median of working tree / copy by round, with the',
    'interval that has it: at 95 %, or at 99.5 % where what looked worse was measured again.',
    `regressed: the whole interval is worse by more than ${percent(options.tolerance)}; unclear: it is wider than 25 %.`,
    `${disturbed.cells} of ${disturbed.of} runs were disturbed by other programs.`,
    ...missing.map(({ name, reason }) => `left out: ${name}: ${reason.replaceAll('\n', ' | ')}`),
    ...failures.map(
      ({ row, peer, round, message }) => `failed: ${row}, ${peer}, round ${round}: ${message}`,
    ),
    lastLine(compared),
  ];
}

function table({ before, measured }: Compared): string[] {
  const lines = measured.findings.map(({ row, metric, batches, verdict }) => {
    const pairs = batches.flat();
    const cells = [
      figure(summarize(pairs.map((pair) => pair.now))),
      figure(summarize(pairs.map((pair) => pair.before))),
      String(verdict.pairs),
      ratioText(verdict),
      verdict.word === 'regressed' || verdict.word === 'failed'
        ? verdict.word.toUpperCase()
        : verdict.word,
    ];
    return { name: `${row}  ${metric.title}`, cells };
  });
  const cells = ['working tree', before.short, 'rounds', 'ratio', 'verdict'];
  return renderTable({ name: '', cells }, lines);
}

function lastLine({ before, options, measured }: Compared): string {
  const { findings } = measured;
  const worse = regressions(measured);
  if (worse.length > 0) {
    const named = worse.map(({ row, metric, verdict }) =>
      verdict.word === 'failed'
        ? `${row} (it failed)`
        : `${row} ${metric.title} ${ratioText(verdict)}`,
    );
    return `guard: REGRESSED against ${before.short}: ${[...new Set(named)].join('; ')}`;
  }
  const unclear = findings.filter(({ verdict }) => verdict.word === 'unclear').length;
  const told =
    unclear === 0 ? '' : `; ${unclear} of them unclear, try a quieter machine or more --rounds`;
  return `guard: passed: no regression over ${percent(options.tolerance)} against ${before.short} shown by ${findings.length} figures${told}`;
}

function ratioText({ ratio, interval }: Finding['verdict']): string {
  if (ratio === undefined) return '-';
  const range =
    interval === undefined ? '' : ` (${interval.low.toFixed(2)}-${interval.high.toFixed(2)})`;
  return `${ratio.toFixed(2)}x${range}`;
}

function percent(fraction: number): string {
  return `${Number((fraction * 100).toPrecision(3))} %`;
}

/** Every pair, so that others can judge for themselves. */
export function writeGuardResults(path: string, compared: Compared): void {
  const { now, before, options, measured } = compared;
  const { rounds, seconds } = options.load;
  const { findings, ...rest } = measured;
  const document = {
    passed: regressions(measured).length === 0,
    workingTree: now,
    comparedTo: before,
    extent: { rounds, seconds, tolerance: options.tolerance },
    ...rest,
    findings,
  };
  writeFileSync(path, `${JSON.stringify(document, undefined, 2)}\n`);
}
