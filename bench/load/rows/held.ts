// Rows about memory: idle, with held connections, and behind readers that are too slow.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Memory, readDescriptorLimit, readTcpBuffersKib } from '../machine/memory.ts';
import type { Cell, Metric, RowKind } from './row.ts';

const SLOW_READERS = 20;
const SAMPLE_EVERY_MS = 100;
/** What connections allocate when they come up has been allocated then. */
const HELD_SETTLE_MS = 150;
/** How long each step stays; memory must have been read by then. */
const HELD_SECONDS = 0.8;
/** What a relay needs besides two for each connection. */
const OTHER_DESCRIPTORS = 200;

/** Growth is the highest level seen while the readers hold on, over the level before. */
export const slow: RowKind = {
  name: 'slow',
  title: `${SLOW_READERS} slow readers of 1 GiB`,
  repeatable: false,
  level: 'usual',
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

export const idle: RowKind = {
  name: 'idle',
  title: 'idle, server + client',
  repeatable: false,
  level: 'usual',
  metrics: [
    { key: 'rss', title: 'RSS MiB', better: 'less' },
    { key: 'privateDirty', title: 'private dirty MiB', better: 'less' },
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

/**
 * So many connections, then as many again. 1 KB is 1,000 bytes. What starts with the first
 * connection (code, heaps) counts as theirs.
 */
export function held(step: number, steps: 1 | 2): RowKind {
  const counts = steps === 1 ? [step] : [step, 2 * step];
  return {
    name: 'held',
    title: 'held connections, server + client',
    repeatable: false,
    level: 'usual',
    metrics: [
      ...counts.flatMap((count): Metric[] => [
        { key: `rss${count}`, title: `${count}: RSS MiB`, better: 'less' },
        { key: `private${count}`, title: 'private dirty MiB', better: 'less' },
        { key: `each${count}`, title: 'KB each', better: 'less' },
      ]),
      ...(steps === 1 ? [] : [eachMore(step)]),
    ],
    run: (cell) => runHeld(cell, step, step * steps),
  };
}

function eachMore(step: number): Metric {
  return { key: 'eachMore', title: `KB each of the second ${step}`, better: 'less' };
}

async function runHeld(cell: Cell, step: number, count: number): ReturnType<RowKind['run']> {
  const limit = readDescriptorLimit();
  if (limit < 2 * count + OTHER_DESCRIPTORS) {
    throw new Error(`${count} connections need more descriptors than ulimit -Hn allows: ${limit}`);
  }
  const before = cell.memory();
  const seen: { readonly held: number; readonly memory: Memory }[] = [];
  const looks: Promise<void>[] = [];
  let late = false;
  const look = async (connections: number): Promise<void> => {
    const said = performance.now();
    await sleep(HELD_SETTLE_MS);
    const memory = cell.memory();
    late ||= performance.now() - said > HELD_SECONDS * 1000;
    seen.push({ held: connections, memory });
  };
  const flags = { connect: cell.tcpAddr, count, step, seconds: HELD_SECONDS };
  const { numbers } = await cell.load('hold', flags, (line) => {
    const { held: connections } = line.numbers;
    if (connections !== undefined) looks.push(look(connections));
  });
  await Promise.all(looks);
  if (late) throw new Error('memory was read too late');
  if (numbers['lost'] !== 0) throw new Error(`${numbers['lost']} held connections were lost`);
  return cell.relayed ? heldSample(before, seen) : {};
}

function heldSample(
  before: Memory,
  steps: readonly { readonly held: number; readonly memory: Memory }[],
): Readonly<Record<string, number>> {
  const sample: Record<string, number> = {};
  const bytes = (memory: Memory, over: Memory): number =>
    (memory.privateDirtyKib - over.privateDirtyKib) * 1024;
  for (const { held: count, memory } of steps) {
    sample[`rss${count}`] = memory.rssKib / 1024;
    sample[`private${count}`] = memory.privateDirtyKib / 1024;
    sample[`each${count}`] = bytes(memory, before) / 1000 / count;
    sample['peakRss'] = memory.peakRssKib / 1024;
  }
  const [first, second] = steps;
  if (first !== undefined && second !== undefined) {
    sample['eachMore'] = bytes(second.memory, first.memory) / 1000 / (second.held - first.held);
  }
  return sample;
}
