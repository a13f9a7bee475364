// Rows about memory: idle, with held connections, and behind readers that are too slow.

import { setTimeout as sleep } from 'node:timers/promises';
import { readTcpBuffersKib } from './measure.ts';
import type { Row } from './row.ts';

const HELD_CONNECTIONS = 1000;
const SLOW_READERS = 20;
const SAMPLE_EVERY_MS = 100;
/** What connections allocate when they come up has been allocated then. */
const HELD_SETTLE_MS = 150;

/** Growth is the highest level seen while the readers hold on, over the level before. */
export const slow: Row = {
  name: 'slow',
  repeatable: false,
  metrics: [
    {
      key: 'growth',
      title: `${SLOW_READERS} slow readers of 1 GiB: memory growth MiB`,
      better: 'less',
    },
    { key: 'kernel', title: '  TCP buffers of the machine, growth MiB', better: 'less' },
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
    const { failures } = await load;
    if (failures !== 0) throw new Error(`${failures} slow readers failed`);
    const kernel = (most.tcp - before.tcp) / 1024;
    return cell.relayed ? { growth: (most.rss - before.rss) / 1024, kernel } : { kernel };
  },
};

export const idle: Row = {
  name: 'idle',
  repeatable: false,
  metrics: [
    { key: 'rss', title: 'idle: RSS MiB, server + client', better: 'less' },
    { key: 'privateDirty', title: '  private dirty MiB', better: 'less' },
  ],
  async run(cell) {
    if (!cell.relayed) return {};
    const { rssKib, pssKib, privateKib, privateDirtyKib } = cell.memory();
    return {
      rss: rssKib / 1024,
      pss: pssKib / 1024,
      private: privateKib / 1024,
      privateDirty: privateDirtyKib / 1024,
    };
  },
};

export const held: Row = {
  name: 'held',
  repeatable: false,
  metrics: [
    {
      key: 'perConnection',
      title: `${HELD_CONNECTIONS} held: private dirty KiB per connection, server + client`,
      better: 'less',
    },
    { key: 'rss', title: '  RSS MiB', better: 'less' },
  ],
  async run(cell) {
    const before = cell.memory();
    let during = before;
    const look = async (): Promise<void> => {
      await sleep(HELD_SETTLE_MS);
      during = cell.memory();
    };
    let looked: Promise<void> | undefined;
    const flags = { connect: cell.tcpAddr, count: HELD_CONNECTIONS, seconds: 0.4 };
    const { lost } = await cell.load('hold', flags, (line) => {
      if ('held' in line.numbers) looked = look();
    });
    await looked;
    if (lost !== 0) throw new Error(`${lost} held connections were lost`);
    if (!cell.relayed) return {};
    return {
      perConnection: (during.privateDirtyKib - before.privateDirtyKib) / HELD_CONNECTIONS,
      rss: during.rssKib / 1024,
      peakRss: during.peakRssKib / 1024,
    };
  },
};
