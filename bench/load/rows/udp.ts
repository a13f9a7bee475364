// Datagrams by the clock: how many arrive, and what they cost the relays in CPU.

import { cpuMetrics, cpuPer, threadMetrics, threadShares } from './costs.ts';
import type { RowKind } from './row.ts';

/** A rate that every tunnel carries, and one that most do not. */
export type Rate = 10_000 | 50_000;

export function udp(size: number, rate: Rate): RowKind {
  return {
    name: `udp-${size}-${rate / 1000}k`,
    title: `UDP ${size} B at ${rate} /s`,
    repeatable: true,
    metrics: [
      { key: 'lossPercent', title: 'loss %', better: 'less' },
      { key: 'rate', title: 'sent /s', better: 'more' },
      ...cpuMetrics('us per delivered packet'),
      ...threadMetrics,
    ],
    async run(cell) {
      const flags = {
        connect: cell.udpAddr,
        query: cell.sinkAddr,
        size,
        rate,
        seconds: cell.seconds,
      };
      const loaded = await cell.load('udp', flags);
      const { loss = Number.NaN, rate: sent = Number.NaN, delivered = 0 } = loaded.numbers;
      return {
        lossPercent: loss * 100,
        rate: sent,
        delivered,
        ...cpuPer(delivered / 1e6, loaded),
        ...threadShares(cell.isNode, loaded),
      };
    },
  };
}
