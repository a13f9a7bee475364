// Bytes one way, as fast as they go, and what they cost the relays in CPU.

import { cpuMetrics, cpuPer, threadMetrics, threadShares } from './costs.ts';
import type { RowKind } from './row.ts';

export function bulk(direction: 'up' | 'down', streams: number): RowKind {
  return {
    name: `bulk-${direction}-${streams}`,
    title: `bulk ${direction}, ${streams} stream${streams > 1 ? 's' : ''}`,
    repeatable: true,
    metrics: [
      { key: 'gbit', title: 'Gbit/s', better: 'more' },
      ...cpuMetrics('s/GB'),
      ...threadMetrics,
    ],
    async run(cell) {
      const flags = {
        connect: cell.tcpAddr,
        query: cell.sinkAddr,
        streams,
        direction,
        seconds: cell.seconds,
      };
      const loaded = await cell.load('bulk', flags);
      const { gbit_s: gbit = Number.NaN, bytes = 0 } = loaded.numbers;
      return { gbit, ...cpuPer(bytes / 1e9, loaded), ...threadShares(cell.isNode, loaded) };
    },
  };
}
