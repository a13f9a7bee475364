// One cell: one row for one peer, once. Runs it, notes what the relays used, and how much CPU
// other programs took meanwhile; a disturbed run is tried again.

import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad, type Sink } from './load.ts';
import { cpuBetween, readCpu, readMachineBusyNs, readMemory } from './measure.ts';
import type { Cell, Row } from './row.ts';
import type { Tunnel } from './tunnel.ts';

/** Cores that other programs may use before a run counts as disturbed. */
const DISTURBANCE_CORES = 0.3;
/** In less time the 10 ms ticks of /proc/stat say nothing. */
const JUDGED_FROM_NS = 200_000_000;
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
  sink: Sink,
  seconds: number,
  tries: number,
): Promise<CellResult> {
  let best: CellResult | undefined;
  for (let count = 0; count < tries; count += 1) {
    if (count > 0) await sleep(RETRY_AFTER_MS);
    const result = await runOnce(row, tunnel, sink, seconds);
    await sleep(CALM_MS);
    if (best === undefined || result.others < best.others) best = result;
    if (!best.disturbed || !row.repeatable) break;
  }
  if (best === undefined) throw new Error('no try was made');
  return best;
}

async function runOnce(row: Row, tunnel: Tunnel, sink: Sink, seconds: number): Promise<CellResult> {
  let loaderSeconds = 0;
  const cell: Cell = {
    tcpAddr: tunnel.tcpAddr,
    udpAddr: tunnel.udpAddr,
    sinkAddr: sink.addr,
    relayed: tunnel.pids.length > 0,
    seconds,
    async load(command, flags, onLine) {
      const before = readCpu(tunnel.pids);
      const { numbers } = await runLoad(command, flags, onLine);
      const nanos = cpuBetween(before, readCpu(tunnel.pids), tunnel.pids.length);
      const { cpu_s: spent = 0 } = numbers;
      loaderSeconds += spent;
      return { ...numbers, cpuSeconds: nanos / 1e9 };
    },
    memory: () => readMemory(tunnel.pids),
  };
  const ours = [...tunnel.pids, sink.pid];
  const before = {
    at: process.hrtime.bigint(),
    busy: readMachineBusyNs(),
    cpu: readCpu(ours),
    runner: process.cpuUsage(),
  };
  const sample = await row.run(cell);
  const elapsed = Number(process.hrtime.bigint() - before.at);
  const runner = process.cpuUsage(before.runner);
  const known =
    cpuBetween(before.cpu, readCpu(ours), ours.length) +
    loaderSeconds * 1e9 +
    (runner.user + runner.system) * 1e3;
  const others = Math.max(0, (readMachineBusyNs() - before.busy - known) / elapsed);
  const disturbed = elapsed > JUDGED_FROM_NS && others > DISTURBANCE_CORES;
  return { sample, others, disturbed };
}
