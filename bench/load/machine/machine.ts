// Facts about the machine that a number is worth nothing without.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { ROOT, runLoad } from '../generator.ts';
import type { Tool } from '../tools/tools.ts';
import { isInNamespace } from './namespace.ts';

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly congestion: string;
  readonly congestionSource: string;
  readonly node: string;
  readonly commit: string;
  readonly loadBefore: number;
  /** Programs of others that made load. */
  readonly tools: readonly Tool[];
}

function text(read: () => string, otherwise: string): string {
  try {
    return read().trim();
  } catch {
    return otherwise;
  }
}

/** Describes the machine; asks a connection to the sink which congestion control it really has. */
export async function describeMachine(
  sinkAddr: string,
  tools: readonly Tool[] = [],
): Promise<Machine> {
  const probe = await runLoad('bulk', { connect: sinkAddr, seconds: 0.02 });
  const systemWide = text(
    () => readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8'),
    'unknown',
  );
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    congestion: probe.congestion,
    congestionSource: isInNamespace()
      ? `loopback routes of an own network namespace; machine default ${systemWide}`
      : `machine default ${systemWide}; no own network namespace possible`,
    node: process.version,
    commit: text(
      () =>
        execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
          cwd: ROOT,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }),
      'unknown',
    ),
    loadBefore: loadavg()[0] ?? 0,
    tools,
  };
}
