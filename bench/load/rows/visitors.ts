// Visitors that come, say a word and leave, and what they cost the relays in CPU.

import { cpuMetrics, cpuPer, threadMetrics, threadShares } from './costs.ts';
import type { RowKind } from './row.ts';

const BURST_VISITORS = 1500;
const PACED_VISITORS = 5000;
/** Far enough apart that all is at rest between them. */
const IDLE_RATE = 10;
const IDLE_VISITORS = 12;
/** Visitors that a paced run may have at once; a tunnel that is slower falls behind. */
const PACED_AT_ONCE = 256;

/** As many visitors as there can be, so many at a time. */
export function visitors(concurrency: number): RowKind {
  return {
    name: `visitors-${concurrency}`,
    title: `visitors, ${concurrency} at a time`,
    repeatable: true,
    metrics: [
      { key: 'per_second', title: '/s', better: 'more' },
      { key: 'p50_us', title: 'p50 us', better: 'less' },
      { key: 'p99_us', title: 'p99 us', better: 'less' },
      ...cpuMetrics('us each'),
    ],
    run: (cell) => runVisitors(cell, { concurrency }),
  };
}

/** Visitors that come by the clock: the same work for every peer that can follow. */
export const pacedVisitors: RowKind = {
  name: 'paced-visitors',
  title: `visitors, ${PACED_VISITORS} /s wanted`,
  repeatable: true,
  metrics: [
    { key: 'per_second', title: 'achieved /s', better: 'more' },
    { key: 'p99_us', title: 'p99 us', better: 'less' },
    ...cpuMetrics('us each'),
    ...threadMetrics,
  ],
  run: (cell) => runVisitors(cell, { concurrency: PACED_AT_ONCE, rate: PACED_VISITORS }),
};

/** One visitor at a time, long after the last one: what it waits for its first byte. */
export const firstByte: RowKind = {
  name: 'first-byte',
  title: 'first byte of a new visitor',
  repeatable: true,
  metrics: [
    { key: 'p50_us', title: 'p50 us', better: 'less' },
    { key: 'p99_us', title: 'p99 us', better: 'less' },
  ],
  run: (cell) => runVisitors(cell, { concurrency: 1, rate: IDLE_RATE, count: IDLE_VISITORS }),
};

async function runVisitors(
  cell: Parameters<RowKind['run']>[0],
  flags: Readonly<Record<string, number>>,
): ReturnType<RowKind['run']> {
  const common = { connect: cell.tcpAddr, seconds: cell.seconds };
  const loaded = await cell.load('visitors', { ...common, ...flags });
  const { visitors: done = 0, failures } = loaded.numbers;
  if (failures !== 0) throw new Error(`${failures} visitors failed, ${done} were served`);
  return {
    ...loaded.numbers,
    ...cpuPer(done / 1e6, loaded),
    ...threadShares(cell.isNode, loaded),
  };
}

export const burst: RowKind = {
  name: 'burst',
  title: `burst of ${BURST_VISITORS} visitors`,
  repeatable: true,
  metrics: [
    { key: 'paired', title: 'paired', better: 'more' },
    { key: 'last_ms', title: 'last answer after ms', better: 'less' },
  ],
  async run(cell) {
    const flags = { connect: cell.tcpAddr, count: BURST_VISITORS };
    const { last_ms, ...others } = (await cell.load('burst', flags)).numbers;
    // The last answer of those that had one says nothing good where others had none.
    const isWhole = others['paired'] === BURST_VISITORS && last_ms !== undefined;
    return isWhole ? { ...others, last_ms } : others;
  },
};
