// Memory with visitors that stay: 1,000, then 10,000 or as many as one process may have.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Memory, readDescriptorLimit } from '../machine/memory.ts';
import type { Cell, Metric, RowKind } from './row.ts';

/** What connections allocate when they come up has been allocated then. */
const SETTLE_MS = 150;
/** How long each step stays; memory must have been read by then. */
const STAY_SECONDS = 0.8;
/** What a relay needs besides two for each connection: channels kept ready most of all. */
const OTHER_DESCRIPTORS = 600;
/** The part of the limit that a relay may keep from visitors, as warren does. */
const RESERVED = 1 / 20;
const FIRST = 1000;
const MOST = 10_000;

/** Of the wanted connections those that a relay can have: it needs two descriptors for each. */
export function possible(wanted: number, limit: number): number {
  return Math.min(
    wanted,
    Math.max(0, Math.floor((limit * (1 - RESERVED) - OTHER_DESCRIPTORS) / 2)),
  );
}

/**
 * So many connections, with `more` then all that are possible. 1 KB is 1,000 bytes. What starts
 * with the first connection (code, heaps) counts as theirs.
 */
export function held(steps: '1k' | '1k and 10k'): RowKind {
  const first: Metric[] = metricsOf('1k');
  const base = { name: 'held', repeatable: false } as const;
  const title = 'held connections, server + client';
  if (steps === '1k') {
    return { ...base, title, metrics: first, run: (cell) => runHeld(cell, FIRST) };
  }
  const count = possible(MOST, readDescriptorLimit());
  const why = count < MOST ? ', all that ulimit -Hn allows' : '';
  return {
    ...base,
    title: `${title} (10k: ${count.toLocaleString('en')}${why})`,
    metrics: [
      ...first,
      ...metricsOf('10k'),
      { key: 'eachMore', title: 'KB each of those after the first 1k', better: 'less' },
      { key: 'count', title: 'held', better: 'more' },
    ],
    run: (cell) => runHeld(cell, count),
  };
}

function metricsOf(step: '1k' | '10k'): Metric[] {
  return [
    { key: `rss${step}`, title: `${step}: RSS MiB`, better: 'less' },
    { key: `private${step}`, title: 'private dirty MiB', better: 'less' },
    { key: `each${step}`, title: 'KB each', better: 'less' },
  ];
}

async function runHeld(cell: Cell, count: number): ReturnType<RowKind['run']> {
  const limit = readDescriptorLimit();
  if (possible(count, limit) < count || count < FIRST) {
    const needed = Math.ceil((2 * FIRST + OTHER_DESCRIPTORS) / (1 - RESERVED));
    throw new Error(`raise ulimit -Hn to ${needed} at least: ${limit} descriptors are too few`);
  }
  const before = cell.memory();
  const looks: Promise<Memory>[] = [];
  const look = async (): Promise<Memory> => {
    const said = performance.now();
    await sleep(SETTLE_MS);
    const memory = cell.memory();
    if (performance.now() - said > STAY_SECONDS * 1000) throw new Error('memory was read too late');
    return memory;
  };
  const flags = { connect: cell.tcpAddr, count, first: FIRST, seconds: STAY_SECONDS };
  const { numbers } = await cell.load('hold', flags, (line) => {
    if (line.numbers['held'] === undefined) return;
    const memory = look();
    // Awaited below; a failure must not count as unhandled until then.
    memory.catch(() => {});
    looks.push(memory);
  });
  const [first, all] = await Promise.all(looks);
  if (numbers['lost'] !== 0) throw new Error(`${numbers['lost']} held connections were lost`);
  if (first === undefined) throw new Error('no step was reported');
  return cell.relayed ? heldSample({ before, first, all, count }) : { count };
}

/** Without `all` there was one step only. */
export function heldSample({
  before,
  first,
  all,
  count,
}: {
  readonly before: Memory;
  readonly first: Memory;
  readonly all: Memory | undefined;
  readonly count: number;
}): Readonly<Record<string, number>> {
  const kilobytes = (memory: Memory, over: Memory): number =>
    ((memory.privateDirtyKib - over.privateDirtyKib) * 1024) / 1000;
  const numbers = {
    count,
    rss1k: first.rssKib / 1024,
    private1k: first.privateDirtyKib / 1024,
    each1k: kilobytes(first, before) / FIRST,
    peakRss: (all ?? first).peakRssKib / 1024,
  };
  if (all === undefined) return numbers;
  return {
    ...numbers,
    rss10k: all.rssKib / 1024,
    private10k: all.privateDirtyKib / 1024,
    each10k: kilobytes(all, before) / count,
    eachMore: kilobytes(all, first) / (count - FIRST),
  };
}
