// What a process holds: descriptors by kind, threads, memory. Read from /proc.

import { readdirSync, readlinkSync } from 'node:fs';
import { readMemory } from '../load/machine/memory.ts';

export interface ProcessState {
  /** How many of each kind: `socket`, `pipe`, `anon_inode:[eventpoll]`, `file`... */
  readonly descriptors: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly rssKib: number;
  readonly privateKib: number;
}

/** `socket:[123]` and `pipe:[123]` without the number; files together. */
function kindOf(link: string): string {
  if (link.startsWith('/')) return 'file';
  return /^(socket|pipe):/.exec(link)?.[1] ?? link;
}

export function readDescriptors(pid: number): Record<string, number> {
  const counts: Record<string, number> = { socket: 0, pipe: 0 };
  const directory = `/proc/${pid}/fd`;
  for (const fd of readdirSync(directory)) {
    let kind: string;
    try {
      kind = kindOf(readlinkSync(`${directory}/${fd}`));
    } catch {
      // Closed since the directory was read.
      continue;
    }
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** @throws Error when the process is gone. */
export function readProcessState(pid: number): ProcessState {
  const { rssKib, privateDirtyKib } = readMemory([pid]);
  return {
    descriptors: readDescriptors(pid),
    threads: readdirSync(`/proc/${pid}/task`).length,
    rssKib,
    privateKib: privateDirtyKib,
  };
}
