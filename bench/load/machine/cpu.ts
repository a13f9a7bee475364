// What processes cost in CPU time, read from /proc by thread. A process that is gone reads as zero.

import { readdirSync } from 'node:fs';
import { readProc } from './proc.ts';

/** USER_HZ: the unit of /proc/PID/stat and /proc/stat on every Linux port Node supports. */
const TICK_NS = 10_000_000;
/** Threads of warren's native engine are named so; no other thread of Node is. */
const ENGINE_THREAD = /^warren-\d/;

export interface CpuSnapshot {
  readonly pid: number;
  /** Exact, but a thread that ends takes its time with it. */
  readonly threads: ReadonlyMap<number, { readonly name: string; readonly ns: number }>;
  /** The whole process with ended threads, in whole ticks. */
  readonly ticksNs: number;
}

/** Seconds of CPU time of one process. */
export interface CpuUse {
  readonly total: number;
  /** The thread that runs JavaScript in a Node process. */
  readonly main: number;
  readonly engine: number;
  /** What is neither: V8's and libuv's threads in a Node process. */
  readonly helpers: number;
}

function threadIds(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** utime + stime; the fields are counted after the name, which may hold spaces. */
function processTicks(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

export function readCpu(pid: number): CpuSnapshot {
  const threads = new Map(
    threadIds(pid).map((id) => {
      const task = `/proc/${pid}/task/${id}`;
      const ns = Number(readProc(`${task}/schedstat`).split(' ')[0] ?? 0);
      return [id, { name: readProc(`${task}/comm`).trim(), ns }];
    }),
  );
  return { pid, threads, ticksNs: processTicks(pid) * TICK_NS };
}

/**
 * CPU seconds between two snapshots. The total is the sum over threads, unless the ticks say
 * clearly more: then threads have ended in between. Ticks can be off by one at both ends.
 */
export function cpuBetween(before: CpuSnapshot, after: CpuSnapshot): CpuUse {
  const sum = { main: 0, engine: 0, helpers: 0 };
  for (const [id, { name, ns }] of after.threads) {
    const kind = id === after.pid ? 'main' : ENGINE_THREAD.test(name) ? 'engine' : 'helpers';
    sum[kind] += (ns - (before.threads.get(id)?.ns ?? 0)) / 1e9;
  }
  const ticks = (after.ticksNs - before.ticksNs - 2 * TICK_NS) / 1e9;
  return { ...sum, total: Math.max(sum.main + sum.engine + sum.helpers, ticks) };
}

/** Busy CPU nanoseconds of the whole machine, time stolen by its host included. */
export function readMachineBusyNs(): number {
  const [user, nice, system, , , irq, softirq, steal] = (
    /^cpu +(.*)$/m.exec(readProc('/proc/stat'))?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, n) => sum + (n ?? 0), 0) *
    TICK_NS
  );
}
