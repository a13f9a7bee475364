// What a set of processes costs, read from /proc: CPU time in nanoseconds, memory in KiB. A
// process that is gone reads as zero.

import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: the unit of /proc/PID/stat and /proc/stat on every Linux port Node supports. */
const TICK_NS = 10_000_000;

export interface CpuSnapshot {
  /** Sum over the living threads: exact, but a thread that ends takes its time with it. */
  readonly threadsNs: number;
  /** The whole process with ended threads, in whole ticks. */
  readonly ticksNs: number;
}

export interface Memory {
  readonly rssKib: number;
  readonly pssKib: number;
  /** Clean file pages included, unless another process maps them too. */
  readonly privateKib: number;
  /** Without them: does not depend on who else runs the same program. */
  readonly privateDirtyKib: number;
  readonly peakRssKib: number;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function threadIds(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** utime + stime; the fields are counted after the name, which may hold spaces. */
function processTicks(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

export function readCpu(pids: readonly number[]): CpuSnapshot {
  let threadsNs = 0;
  let ticks = 0;
  for (const pid of pids) {
    for (const id of threadIds(pid)) {
      threadsNs += Number(read(`/proc/${pid}/task/${id}/schedstat`).split(' ')[0] ?? 0);
    }
    ticks += processTicks(pid);
  }
  return { threadsNs, ticksNs: ticks * TICK_NS };
}

/**
 * CPU nanoseconds between two snapshots. The thread sum, unless the ticks say clearly more: then
 * threads have ended in between. Each process's ticks can be off by one at both ends.
 */
export function cpuBetween(before: CpuSnapshot, after: CpuSnapshot, processes: number): number {
  const threads = after.threadsNs - before.threadsNs;
  const ticks = after.ticksNs - before.ticksNs - 2 * TICK_NS * processes;
  return Math.max(threads, ticks, 0);
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text);
  return Number(match?.[1] ?? 0);
}

/** Memory of all the processes together. */
export function readMemory(pids: readonly number[]): Memory {
  const sum = { rssKib: 0, pssKib: 0, privateKib: 0, privateDirtyKib: 0, peakRssKib: 0 };
  for (const pid of pids) {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    sum.rssKib += field(rollup, 'Rss');
    sum.pssKib += field(rollup, 'Pss');
    sum.privateKib += field(rollup, 'Private_Clean') + field(rollup, 'Private_Dirty');
    sum.privateDirtyKib += field(rollup, 'Private_Dirty');
    sum.peakRssKib += field(read(`/proc/${pid}/status`), 'VmHWM');
  }
  return sum;
}

/** KiB of TCP buffers of the whole machine: where a relay's bytes hide from RSS. */
export function readTcpBuffersKib(): number {
  const match = /^TCP:.* mem (\d+)/m.exec(read('/proc/net/sockstat'));
  return Number(match?.[1] ?? 0) * 4;
}

/** Busy CPU nanoseconds of the whole machine, time stolen by its host included. */
export function readMachineBusyNs(): number {
  const [user, nice, system, , , irq, softirq, steal] = (
    /^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, n) => sum + (n ?? 0), 0) *
    TICK_NS
  );
}
