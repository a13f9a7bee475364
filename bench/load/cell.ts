// One cell: one row for one peer, once. Runs it, notes what the relays used, and how much CPU
// other programs took meanwhile; a disturbed run is tried again.

import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad, startBackground } from './generator.ts';
import { cpuBetween, readCpu, readMachineBusyNs } from './machine/cpu.ts';
import { readMemory } from './machine/memory.ts';
import type { Tunnel } from './peers/tunnel.ts';
import type { Cell, Row } from './rows/row.ts';

/** Cores that other programs may use before a run counts as disturbed. */
const DISTURBANCE_CORES = 0.3;
/** In less time the 10 ms ticks of /proc/stat say nothing. */
const JUDGED_FROM_SECONDS = 0.2;
const RETRY_AFTER_MS = 300;
/** Closing what the last run left open is not the next run's cost. */
const CALM_MS = 40;

export interface CellResult {
  readonly sample: Readonly<Record<string, number>>;
  /** Cores that other programs used during the run that was kept. */
  readonly others: number;
  readonly disturbed: boolean;
}

/** Runs the row; of up to `tries`, where it may be repeated, the least disturbed is kept. */
export async function runCell(
  row: Row,
  tunnel: Tunnel,
  seconds: number,
  tries: number,
): Promise<CellResult> {
  let best: CellResult | undefined;
  for (let count = 0; count < tries; count += 1) {
    if (count > 0) await sleep(RETRY_AFTER_MS);
    const result = await runOnce(row, tunnel, seconds);
    await sleep(CALM_MS);
    if (best === undefined || result.others < best.others) best = result;
    if (!best.disturbed || !row.repeatable) break;
  }
  if (best === undefined) throw new Error('no try was made');
  return best;
}

async function runOnce(row: Row, tunnel: Tunnel, seconds: number): Promise<CellResult> {
  const { sink, helpers } = tunnel.site;
  let loaderSeconds = 0;
  const cell: Cell = {
    tcpAddr: tunnel.tcpAddr,
    udpAddr: tunnel.udpAddr,
    tunnelAddr: tunnel.tunnelAddr,
    transport: tunnel.transport,
    sinkAddr: sink.addr,
    relayed: tunnel.pids.length > 0,
    isNode: tunnel.isNode,
    seconds,
    async load(command, flags, onLine) {
      const before = tunnel.pids.map(readCpu);
      const { numbers } = await runLoad(command, flags, onLine);
      const [server, client] = before.map((start) => cpuBetween(start, readCpu(start.pid)));
      const { cpu_s: spent = 0 } = numbers;
      loaderSeconds += spent;
      const both = server !== undefined && client !== undefined;
      return { numbers, cpu: both ? { server, client } : undefined };
    },
    async background(command, flags) {
      const running = await startBackground(command, flags);
      return {
        async end() {
          const { numbers } = await running.end();
          loaderSeconds += numbers['cpu_s'] ?? 0;
          return numbers;
        },
      };
    },
    memory: () => readMemory(tunnel.pids),
  };
  const before = {
    at: performance.now(),
    busy: readMachineBusyNs(),
    cpu: [...tunnel.pids, sink.pid, ...helpers].map(readCpu),
    runner: process.cpuUsage(),
  };
  const sample = await row.run(cell);
  const elapsed = (performance.now() - before.at) / 1000;
  const runner = process.cpuUsage(before.runner);
  const ours = before.cpu.reduce(
    (sum, start) => sum + cpuBetween(start, readCpu(start.pid)).total,
    loaderSeconds + (runner.user + runner.system) / 1e6,
  );
  const busy = (readMachineBusyNs() - before.busy) / 1e9;
  const others = Math.max(0, (busy - ours) / elapsed);
  const disturbed = elapsed > JUDGED_FROM_SECONDS && others > DISTURBANCE_CORES;
  return { sample, others, disturbed };
}
