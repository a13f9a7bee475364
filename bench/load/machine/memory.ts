// What processes cost in memory, read from /proc, in KiB. A process that is gone reads as zero.

import { writeFileSync } from 'node:fs';
import { readProc } from './proc.ts';

export interface Memory {
  readonly rssKib: number;
  readonly pssKib: number;
  /** Clean file pages included, unless another process maps them too. */
  readonly privateKib: number;
  /** Without them: does not depend on who else runs the same program. */
  readonly privateDirtyKib: number;
  readonly peakRssKib: number;
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text);
  return Number(match?.[1] ?? 0);
}

/** Memory of all the processes together. */
export function readMemory(pids: readonly number[]): Memory {
  const sum = { rssKib: 0, pssKib: 0, privateKib: 0, privateDirtyKib: 0, peakRssKib: 0 };
  for (const pid of pids) {
    const rollup = readProc(`/proc/${pid}/smaps_rollup`);
    const rss = field(rollup, 'Rss');
    sum.rssKib += rss;
    sum.pssKib += field(rollup, 'Pss');
    sum.privateKib += field(rollup, 'Private_Clean') + field(rollup, 'Private_Dirty');
    sum.privateDirtyKib += field(rollup, 'Private_Dirty');
    // The kernel counts this one loosely, so that it can be behind what was just counted exactly.
    sum.peakRssKib += Math.max(rss, field(readProc(`/proc/${pid}/status`), 'VmHWM'));
  }
  return sum;
}

/** RSS of all the processes together; loose by some pages, but cheap enough to read often. */
export function readRssKib(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + field(readProc(`/proc/${pid}/status`), 'VmRSS'), 0);
}

/** KiB of TCP buffers of the whole machine: where a relay's bytes hide from RSS. */
export function readTcpBuffersKib(): number {
  const match = /^TCP:.* mem (\d+)/m.exec(readProc('/proc/net/sockstat'));
  return Number(match?.[1] ?? 0) * 4;
}

/** How many descriptors this process, and so its children, may open. */
export function readDescriptorLimit(): number {
  const match = /^Max open files +(\d+)/m.exec(readProc('/proc/self/limits'));
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
}

/** From now on `peakRssKib` is the peak since now (proc(5), clear_refs); needs the right to. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Another user's process: the peak is then that of its whole life.
  }
}
