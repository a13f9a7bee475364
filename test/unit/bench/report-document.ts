// A small result for the tests of the report: four peers, rows of several kinds, two rounds each.

import type { Metric } from '../../../bench/load/rows/row.ts';
import type { Sample } from '../../../bench/load/schedule.ts';
import type { Document, DocumentRow } from '../../../bench/report/document.ts';
import { verdicts } from '../../../bench/report/verdicts.ts';

export const SUBJECT = 'warren (rust)';

type Numbers = Readonly<Record<string, readonly number[]>>;

/** Of each peer a sample a round; `numbers` has, by metric, the value of each. */
export function samplesOf(
  byPeer: Readonly<Record<string, Numbers>>,
  series: Sample['series'] = {},
): DocumentRow['samples'] {
  return Object.fromEntries(
    Object.entries(byPeer).map(([peer, numbers]) => {
      const rounds = Math.max(...Object.values(numbers).map(({ length }) => length));
      const samples = Array.from({ length: rounds }, (_, index): Sample => {
        const own = Object.entries(numbers).flatMap(([key, values]): [string, number][] => {
          const value = values[index];
          return value === undefined ? [] : [[key, value]];
        });
        return { round: index + 1, numbers: Object.fromEntries(own), series, others: 0 };
      });
      return [peer, samples];
    }),
  );
}

export function rowOf(
  name: string,
  metrics: readonly Metric[],
  samples: DocumentRow['samples'],
): DocumentRow {
  return { name, title: `the row ${name}`, kind: name, transport: 'tcp', metrics, samples };
}

const GBIT: readonly Metric[] = [
  { key: 'gbit', title: 'Gbit/s', better: 'more' },
  { key: 'cpu', title: 'CPU s/GB', better: 'less' },
  { key: 'cpuServer', title: 'server', better: 'less' },
  { key: 'jsServer', title: 'JS server', better: 'less', ofThreads: true },
  { key: 'jsClient', title: 'JS client', better: 'less', ofThreads: true },
];
const LATENCY: readonly Metric[] = [
  { key: 'p50_us', title: 'p50 us', better: 'less' },
  { key: 'p99_us', title: 'p99 us', better: 'less' },
];
const RSS: readonly Metric[] = [{ key: 'rss', title: 'RSS MiB', better: 'less' }];

/** Tunnels of different speed; the subject is the fastest and the largest. */
function bulk(name: string, factor: number): DocumentRow {
  const of = (speed: number, rss: number): Numbers => ({
    gbit: [speed * factor, speed * factor * 1.1],
    cpu: [1 / speed, 1 / speed],
    cpuServer: [0.5 / speed, 0.5 / speed],
    rssPeakMib: [rss, rss],
  });
  return rowOf(
    name,
    GBIT,
    samplesOf({
      direct: { gbit: [40, 44] },
      [SUBJECT]: { ...of(20, 120), jsServer: [0.5, 0.5], jsClient: [0.25, 0.25] },
      rathole: of(5, 15),
      frp: of(8, 40),
    }),
  );
}

function held(): DocumentRow {
  const metrics = ['1k', '10k'].flatMap((count): Metric[] => [
    { key: `rss${count}`, title: `${count}: RSS MiB`, better: 'less' },
    { key: `each${count}`, title: 'KB each', better: 'less' },
  ]);
  const of = (first: number): Numbers => ({ rss1k: [first], rss10k: [first * 8], each10k: [4] });
  return rowOf('held', metrics, samplesOf({ [SUBJECT]: of(120), rathole: of(50), frp: of(90) }));
}

export function documentOf(rows: readonly DocumentRow[] = usualRows()): Document {
  const peers = ['direct', SUBJECT, 'rathole', 'frp'].map((name) => ({
    name,
    version: name === 'direct' ? '' : '1.2.3',
    engine: name === SUBJECT ? 'rust' : null,
    isWarren: name === SUBJECT,
  }));
  const failures = [{ row: 'bulk-up-1', peer: 'frp', round: 2, message: 'it | ended' }];
  return {
    machine: {
      date: '2026-01-31T12:00:00.000Z',
      cpu: 'A | B',
      cores: 2,
      memoryGib: 24,
      kernel: '6.1.0',
      congestion: 'cubic',
      congestionSource: 'machine default cubic',
      node: 'v20.19.0',
      commit: 'abc1234',
      loadBefore: 0.25,
      tools: [{ name: 'wrk', version: '4.1.0' }],
    },
    extent: {
      level: 'full',
      rounds: 2,
      seconds: 2,
      transportRounds: 2,
      transportSeconds: 1,
      memoryRounds: 2,
      tries: 4,
    },
    peers,
    missing: [{ name: 'haproxy', reason: 'not installed\nuse apt' }],
    seconds: 4000,
    disturbed: { cells: 3, of: 40 },
    failures,
    rows,
    verdicts: verdicts({ peers, rows, failures }),
  };
}

function usualRows(): DocumentRow[] {
  const same = { [SUBJECT]: { p50_us: [90, 110], p99_us: [900, 910] }, rathole: { p50_us: [100] } };
  const points = [
    [10, 80],
    [50, 100],
    [99, 900],
    [99.9, 4000],
  ] as const;
  const overTime = [0, 1, 2].map((second) => [second, 40 + second] as const);
  return [
    bulk('bulk-up-1', 1),
    bulk('bulk-down-8', 1.5),
    rowOf('latency-close-2000', LATENCY, samplesOf(same, { percentiles: points })),
    rowOf(
      'memory-run',
      RSS,
      samplesOf({ [SUBJECT]: { rss: [42] }, frp: { rss: [60] } }, { rss: overTime }),
    ),
    held(),
  ];
}
