// What processes cost in CPU time, read from /proc by thread. A process that is gone reads as zero.

import { readdirSync } from 'node:fs';
import { readProc } from './proc.ts';

/** USER_HZ: the unit of /proc/PID/stat and /proc/stat on every Linux port Node supports. */
const TICK_NS = 10_000_000;
/** Threads of warren's native engines are named so; no other thread of Node is. */
const ENGINE_THREAD = /^warren-/;

const SWITCHES = /^(?:non)?voluntary_ctxt_switches:\s+(\d+)/gm;

export interface ThreadSnapshot {
  readonly name: string;
  readonly ns: number;
  /** Context switches, of its own will and not. */
  readonly switches: number;
}

export interface CpuSnapshot {
  readonly pid: number;
  /** Exact, but a thread that ends takes its time with it. */
  readonly threads: ReadonlyMap<number, ThreadSnapshot>;
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
  /** Context switches of all threads that are still there. */
  readonly switches: number;
}

function threadIds(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** The fields of /proc/PID/stat behind the name, which may hold spaces. */
function statFields(pid: number | 'self'): string[] {
  const stat = readProc(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** utime + stime. */
function processTicks(pid: number): number {
  const fields = statFields(pid);
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

export function readCpu(pid: number): CpuSnapshot {
  const threads = new Map(
    threadIds(pid).map((id) => {
      const task = `/proc/${pid}/task/${id}`;
      const ns = Number(readProc(`${task}/schedstat`).split(' ')[0] ?? 0);
      const switches = [...readProc(`${task}/status`).matchAll(SWITCHES)];
      return [
        id,
        {
          name: readProc(`${task}/comm`).trim(),
          ns,
          switches: switches.reduce((sum, [, count]) => sum + Number(count), 0),
        },
      ];
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
  let switches = 0;
  for (const [id, { name, ns, switches: now }] of after.threads) {
    switches += now - (before.threads.get(id)?.switches ?? 0);
    const kind = id === after.pid ? 'main' : ENGINE_THREAD.test(name) ? 'engine' : 'helpers';
    sum[kind] += (ns - (before.threads.get(id)?.ns ?? 0)) / 1e9;
  }
  const ticks = (after.ticksNs - before.ticksNs - 2 * TICK_NS) / 1e9;
  return { ...sum, switches, total: Math.max(sum.main + sum.engine + sum.helpers, ticks) };
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

/** CPU nanoseconds of this process and of its children that have ended: the loads. */
export function readOwnCpuNs(): number {
  const { user, system } = process.cpuUsage();
  const fields = statFields('self');
  const children = Number(fields[13] ?? 0) + Number(fields[14] ?? 0);
  return (user + system) * 1000 + children * TICK_NS;
}
