// Measures both builds in interleaved rounds, and once more the rows in which something looks worse.

import { startSink } from '../load/generator.ts';
import { openLongWay } from '../load/machine/long-way.ts';
import { describeMachine, type Machine } from '../load/machine/machine.ts';
import { nearSite } from '../load/machine/site.ts';
import type { Missing, Peer } from '../load/peers/peer.ts';
import { LONG_WAY, prepareTransports } from '../load/peers/transport.ts';
import type { Metric, Row } from '../load/rows/row.ts';
import { keepRows, rowsOf, selectRows } from '../load/rows/rows.ts';
import { type Failure, type Plan, type Results, runRounds, type Sample } from '../load/schedule.ts';
import type { GuardOptions } from './options.ts';
import { say } from './step.ts';
import { fewestPairs, type Judgement, judge, type Pair } from './verdict.ts';
import { WATCHED, watchedMetrics } from './watched.ts';

export interface Builds {
  /** The working tree. */
  readonly now: Peer;
  /** The copy. */
  readonly before: Peer;
}

/** One figure of one row. */
export interface Finding {
  readonly row: string;
  readonly metric: Metric;
  /** By batch; the second is there where the row looked regressed. */
  readonly batches: readonly (readonly Pair[])[];
  /** `failed`: the working tree could not be measured, where the copy could. */
  readonly verdict: Omit<Judgement, 'word'> & { readonly word: Judgement['word'] | 'failed' };
}

export interface Measured {
  readonly machine: Machine;
  readonly findings: readonly Finding[];
  readonly failures: readonly Failure[];
  readonly missing: readonly Missing[];
  readonly disturbed: Results['disturbed'];
  readonly seconds: number;
}

/**
 * Measures and judges.
 *
 * @throws Error for rows that are not there, and when nothing could be compared.
 */
export async function measureGuard(options: GuardOptions, builds: Builds): Promise<Measured> {
  const { plan, missing, machine } = await prepare(options, builds);
  const first = await runRounds(plan);
  const rows = rowsOf(plan.stages);
  const found = rows.flatMap((row) => findingsOf(row, [first], builds, options.tolerance));
  const suspects = new Set(
    found.filter(({ verdict }) => verdict.word === 'regressed').map(({ row }) => row),
  );
  const results = [first];
  let findings = found;
  if (suspects.size > 0) {
    say(`looks worse, measured again: ${[...suspects].join(', ')}`);
    const isSuspect = ({ name }: Row): boolean => suspects.has(name);
    results.push(await runRounds({ ...plan, stages: keepRows(plan.stages, isSuspect) }));
    findings = rows.flatMap((row) => {
      const batches = isSuspect(row) ? results : [first];
      return findingsOf(row, batches, builds, options.tolerance);
    });
  }
  const failures = results.flatMap((result) => result.failures);
  const dropped = results.flatMap((result) => result.dropped);
  if (findings.every(({ verdict }) => verdict.pairs === 0 && verdict.word !== 'failed')) {
    const reasons = [...missing, ...dropped].map(({ name, reason }) => `${name}: ${reason}`);
    const failed = failures.map(({ row, peer, message }) => `${row}, ${peer}: ${message}`);
    throw new Error(`nothing was compared: ${[...reasons, ...failed].join('; ')}`);
  }
  return {
    machine,
    findings,
    failures,
    missing: [...missing, ...dropped],
    disturbed: {
      cells: sum(results.map(({ disturbed }) => disturbed.cells)),
      of: sum(results.map(({ disturbed }) => disturbed.of)),
    },
    seconds: sum(results.map(({ seconds }) => seconds)),
  };
}

async function prepare(
  { load, only }: GuardOptions,
  { now, before }: Builds,
): Promise<{ plan: Plan; missing: readonly Missing[]; machine: Machine }> {
  const names = only.length > 0 ? only : WATCHED;
  const picked = selectRows({ ...load, only: names });
  // A name picks whatever begins with it; what is watched has its whole name.
  const wanted = keepRows(picked, ({ name }) => only.length > 0 || WATCHED.includes(name));
  const foreign = rowsOf(wanted).filter(({ needs }) => needs !== undefined);
  const { ready, missing } = prepareTransports(
    new Set(rowsOf(wanted).map(({ transport }) => transport)),
  );
  const longWay = ready.has(LONG_WAY) ? await openLongWay() : undefined;
  const sink = await startSink();
  const plan = {
    options: load,
    stages: keepRows(wanted, ({ transport, needs }) => ready.has(transport) && needs === undefined),
    transports: ready,
    peers: [now, before],
    site: nearSite(sink),
    longWay,
  };
  const reason = 'the guard measures with the own load generator only';
  return {
    plan,
    missing: [...missing, ...foreign.map(({ name }) => ({ name, reason }))],
    machine: await describeMachine(sink.addr, []),
  };
}

function findingsOf(
  row: Row,
  results: readonly Results[],
  { now, before }: Builds,
  tolerance: number,
): Finding[] {
  const samples = results.map(({ rows }) => rows.find(({ name }) => name === row.name)?.samples);
  const of = ({ name }: Peer): (readonly Sample[])[] => samples.map((peers) => peers?.[name] ?? []);
  const [ours, theirs] = [of(now), of(before)];
  const isFailed = ours.flat().length < fewestPairs() && ours.flat().length < theirs.flat().length;
  return watchedMetrics(row).map((metric) => {
    const batches = ours.map((batch, index) => pairUp(batch, theirs[index] ?? [], metric.key));
    const verdict = judge(batches, metric.better, tolerance);
    return {
      row: row.name,
      metric,
      batches,
      verdict: isFailed ? { ...verdict, word: 'failed' as const } : verdict,
    };
  });
}

/** The samples of one round belong together; one that lacks its other half says nothing. */
export function pairUp(now: readonly Sample[], before: readonly Sample[], key: string): Pair[] {
  return now.flatMap((sample) => {
    const other = before.find(({ round }) => round === sample.round)?.numbers[key];
    const own = sample.numbers[key];
    return own === undefined || other === undefined ? [] : [{ now: own, before: other }];
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
