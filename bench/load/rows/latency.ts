// How long HTTP requests wait at a load that every tunnel here can carry: they come by the clock,
// and what a stall holds up counts from when it was due.

import { cpuMetrics, cpuPer } from './costs.ts';
import type { Cell, RowKind } from './row.ts';

/** Connections that stay. */
const KEPT = 32;
/** Fresh ones that a run may have at once. */
const FRESH = 256;
/** 99.9 % of what comes in this time are enough to say something of the rest. */
const LEAST_SECONDS = 2;
/** Shorter runs are asked for by those who want a look. */
const LOOK_SECONDS = 0.5;
/** How the generator names a point of the curve: q50, q99_9. */
const POINT = /^q(\d+(?:_\d+)?)$/;

export function latency(mode: 'keepalive' | 'close', rate: number): RowKind {
  const isKept = mode === 'keepalive';
  return {
    name: `latency-${mode}-${rate}`,
    title: `HTTP ${rate} /s by the clock, ${isKept ? 'keep-alive' : 'a connection each'}`,
    repeatable: true,
    metrics: [
      { key: 'p50_us', title: 'p50 us', better: 'less' },
      { key: 'p99_us', title: 'p99 us', better: 'less' },
      { key: 'p999_us', title: 'p99.9 us', better: 'less' },
      { key: 'per_second', title: 'achieved /s', better: 'more' },
      ...cpuMetrics('us each'),
    ],
    async run(cell) {
      const loaded = await cell.load('http', {
        connect: cell.tcpAddr,
        rate,
        seconds: secondsOf(cell),
        connections: isKept ? KEPT : FRESH,
        mode,
      });
      const { numbers } = loaded;
      const { requests = 0, failures, late, warm_ups: warmUps = 0 } = numbers;
      if (failures !== 0) {
        throw new Error(`${failures} requests failed, ${requests} were answered, ${late} were not`);
      }
      cell.keepSeries('percentiles', curveOf(numbers));
      const own = Object.entries(numbers).filter(([key]) => !POINT.test(key));
      return { ...Object.fromEntries(own), ...cpuPer((requests + warmUps) / 1e6, loaded) };
    },
  };
}

function secondsOf({ seconds }: Cell): number {
  return seconds < LOOK_SECONDS ? seconds : Math.max(seconds, LEAST_SECONDS);
}

/** Percentile and microseconds, in order. */
export function curveOf(
  numbers: Readonly<Record<string, number>>,
): readonly (readonly [percentile: number, microseconds: number])[] {
  return Object.entries(numbers)
    .flatMap(([key, value]) => {
      const rank = POINT.exec(key)?.[1];
      return rank === undefined ? [] : [[Number(rank.replace('_', '.')), value] as const];
    })
    .sort(([a], [b]) => a - b);
}
