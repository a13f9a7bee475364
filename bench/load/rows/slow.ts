// What readers that are too slow make a relay keep.

import { setTimeout as sleep } from 'node:timers/promises';
import { readTcpBuffersKib } from '../machine/memory.ts';
import type { RowKind } from './row.ts';

const SLOW_READERS = 20;
const SAMPLE_EVERY_MS = 100;

/** Growth is the highest level seen while the readers hold on, over the level before. */
export const slow: RowKind = {
  name: 'slow',
  title: `${SLOW_READERS} slow readers of 1 GiB`,
  repeatable: false,
  metrics: [
    { key: 'growth', title: 'RSS growth MiB', better: 'less' },
    { key: 'kernel', title: 'TCP buffers of the machine, growth MiB', better: 'less' },
  ],
  async run(cell) {
    const before = { rss: cell.memory().rssKib, tcp: readTcpBuffersKib() };
    const most = { ...before };
    const flags = {
      connect: cell.tcpAddr,
      count: SLOW_READERS,
      bytes: '1GiB',
      rate: '4MiB/s',
      hold: cell.seconds * 2,
    };
    let over = false;
    const load = cell.load('slow', flags).finally(() => {
      over = true;
    });
    // The loop awaits the load's end below; a failure must not count as unhandled until then.
    load.catch(() => {});
    while (!over) {
      most.rss = Math.max(most.rss, cell.memory().rssKib);
      most.tcp = Math.max(most.tcp, readTcpBuffersKib());
      await sleep(SAMPLE_EVERY_MS);
    }
    const { failures } = (await load).numbers;
    if (failures !== 0) throw new Error(`${failures} slow readers failed`);
    const kernel = (most.tcp - before.tcp) / 1024;
    return cell.relayed ? { growth: (most.rss - before.rss) / 1024, kernel } : { kernel };
  },
};
