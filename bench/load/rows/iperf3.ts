// Bytes one way by iperf3, which nobody here wrote, and what they cost the relays in CPU.

import { setTimeout as sleep } from 'node:timers/promises';
import { Iperf3Busy, runIperf3 } from '../tools/iperf3.ts';
import { wholeSeconds } from '../tools/tools.ts';
import { cpuMetrics, cpuPer } from './costs.ts';
import type { RowKind } from './row.ts';

/** The last client's end passes through a tunnel in far less. */
const BUSY_TRIES = 20;
const BUSY_EVERY_MS = 100;

export function iperf3(direction: 'up' | 'down', streams: number): RowKind {
  return {
    name: `iperf3-${direction}-${streams}`,
    title: `bulk by iperf3 ${direction}, ${streams} stream${streams > 1 ? 's' : ''}`,
    needs: 'iperf3',
    repeatable: true,
    metrics: [{ key: 'gbit', title: 'Gbit/s', better: 'more' }, ...cpuMetrics('s/GB')],
    async run(cell) {
      const { iperf3Addr: addr } = cell;
      if (addr === undefined) throw new Error('nothing leads to an iperf3 server');
      const seconds = wholeSeconds(cell.seconds);
      const loaded = await whenFree(() =>
        cell.measure(() => runIperf3({ addr, direction, streams, seconds })),
      );
      const { gbit = Number.NaN, bytes = 0 } = loaded.numbers;
      return { gbit, ...cpuPer(bytes / 1e9, loaded) };
    },
  };
}

/** Tries again while the server is busy; what such a try costs is not kept. */
async function whenFree<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Iperf3Busy) || tries === BUSY_TRIES) throw error;
    }
    await sleep(BUSY_EVERY_MS);
  }
}
