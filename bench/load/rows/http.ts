// HTTP requests by wrk, which nobody here wrote, and what they cost the relays in CPU.

import { wholeSeconds } from '../tools/tools.ts';
import { runWrk } from '../tools/wrk.ts';
import { cpuMetrics, cpuPer } from './costs.ts';
import type { RowKind } from './row.ts';

const CONNECTIONS = 32;

/** Requests over connections that stay, or over one each, which is then a visitor each. */
export function http(connection: 'keepalive' | 'close'): RowKind {
  const stays = connection === 'keepalive';
  return {
    name: `http-${connection}`,
    title: `HTTP by wrk, ${CONNECTIONS} at a time, ${stays ? 'keep-alive' : 'a connection each'}`,
    needs: 'wrk',
    repeatable: true,
    metrics: [
      { key: 'per_second', title: '/s', better: 'more' },
      { key: 'p50_us', title: 'p50 us', better: 'less' },
      { key: 'p90_us', title: 'p90 us', better: 'less' },
      { key: 'p99_us', title: 'p99 us', better: 'less' },
      ...cpuMetrics('us each'),
    ],
    async run(cell) {
      const loaded = await cell.measure(() =>
        runWrk({
          addr: cell.tcpAddr,
          connections: CONNECTIONS,
          seconds: wholeSeconds(cell.seconds),
          headers: stays ? [] : ['Connection: close'],
        }),
      );
      const { requests = 0 } = loaded.numbers;
      return { ...loaded.numbers, ...cpuPer(requests / 1e6, loaded) };
    },
  };
}
