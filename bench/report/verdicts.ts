// The targets that a run can judge, and what to say of each.

import { type Document, subjectOf } from './document.ts';
import { fullTitle, summary } from './figures.ts';
import { allOf, bound, number } from './numbers.ts';
import { judge, TARGETS, type Target, type Verdict } from './targets.ts';

/** Of the targets whose row was measured. */
export function verdicts({
  peers,
  rows,
  failures,
}: Pick<Document, 'peers' | 'rows' | 'failures'>): Document['verdicts'] {
  const subject = subjectOf({ peers });
  if (subject === undefined) return [];
  return TARGETS.filter(({ row }) => rows.some(({ name }) => name === row)).map((target) => {
    const verdict = judge(target, subject, (name, metric, peer) => {
      const row = rows.find((each) => each.name === name);
      return row && summary(row, metric, peer);
    });
    // Who fails at the work is not only unmeasured.
    const { row, of = subject } = target;
    const isFailed = failures.some((failure) => failure.row === row && failure.peer === of);
    return verdict.ours === undefined && isFailed ? { ...verdict, met: false } : verdict;
  });
}

export type Outcome = 'met' | 'MISSED' | 'not measured';

export function outcome({ met }: Verdict): Outcome {
  return met === undefined ? 'not measured' : met ? 'met' : 'MISSED';
}

/** A verdict in words: whose figure of what, what is wanted, and what was measured. */
export function verdictWords(
  document: Document,
  verdict: Verdict,
): { readonly what: string; readonly wanted: string; readonly measured: string } {
  const { target, ours, theirs, against, ratio } = verdict;
  const { row, metric, than, thanRow, of, atLeast, atMost } = target;
  const found = document.rows.find(({ name }) => name === row);
  const title = found === undefined ? metric : fullTitle(found, metric);
  const limit = atLeast === undefined ? `<= ${bound(atMost ?? 0)}` : `>= ${bound(atLeast)}`;
  const whom = than === undefined ? '' : `x ${bestOf(measuredOf(document, target, than))}`;
  const where = thanRow === undefined ? '' : ` (${thanRow})`;
  const rival = theirs === undefined ? '' : ` against ${number(theirs)} of ${against}`;
  const times = ratio === undefined ? '' : ` = ${number(ratio)}x`;
  return {
    what: `${row}, ${title}${of === undefined ? '' : ` of ${of}`}`,
    wanted: `${limit}${whom}${where}`,
    measured: `${ours === undefined && verdict.met === false ? 'its runs failed' : number(ours)}${rival}${times}`,
  };
}

/** Who was not measured was not beaten; without any, all whom the target means. */
function measuredOf(
  { rows }: Document,
  { row, thanRow = row, metric }: Target,
  than: readonly string[],
): readonly string[] {
  const found = rows.find(({ name }) => name === thanRow);
  const measured = than.filter((name) => found && summary(found, metric, name) !== undefined);
  return measured.length > 0 ? measured : than;
}

function bestOf(names: readonly string[]): string {
  return `${names.length > 1 ? 'the best of ' : ''}${allOf(names)}`;
}
