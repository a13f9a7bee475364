// One cell: one row for one peer, once. Runs it, notes what the relays used, and how much CPU
// other programs took meanwhile; a disturbed run is tried again.

import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad, startBackground } from './generator.ts';
import {
  type CpuSnapshot,
  type CpuUse,
  cpuBetween,
  readCpu,
  readMachineBusyNs,
  readOwnCpuNs,
} from './machine/cpu.ts';
import { forgetPeak, type Memory, readMemory, readRssKib } from './machine/memory.ts';
import type { Tunnel } from './peers/tunnel.ts';
import type { Cell, Row, Series } from './rows/row.ts';

/** Cores that other programs may use before a run counts as disturbed. */
const DISTURBANCE_CORES = 0.3;
/** In less time the 10 ms ticks of /proc/stat say nothing, and neither do rates. */
const JUDGED_FROM_SECONDS = 0.2;
const RETRY_AFTER_MS = 300;
/** Closing what the last run left open is not the next run's cost. */
const CALM_MS = 40;

export interface CellResult {
  readonly sample: Readonly<Record<string, number>>;
  readonly series: Readonly<Record<string, Series>>;
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
  const kept: Record<string, Series> = {};
  const measure: Cell['measure'] = async (run) => {
    const before = tunnel.pids.map(readCpu);
    const numbers = await run();
    const [server, client] = usedSince(before, tunnel.pids);
    const both = server !== undefined && client !== undefined;
    return { numbers, cpu: both ? { server, client } : undefined };
  };
  const cell: Cell = {
    tcpAddr: tunnel.tcpAddr,
    udpAddr: tunnel.udpAddr,
    iperf3Addr: tunnel.iperf3Addr,
    tunnelAddr: tunnel.tunnelAddr,
    transport: tunnel.transport,
    sinkAddr: sink.addr,
    relayed: tunnel.pids.length > 0,
    isNode: tunnel.isNode,
    seconds,
    control: tunnel.control,
    load: async (command, flags, onLine) =>
      await measure(async () => (await runLoad(command, flags, onLine)).numbers),
    measure,
    async background(command, flags) {
      const running = await startBackground(command, flags);
      return { end: async () => (await running.end()).numbers };
    },
    memory: () => readMemory(tunnel.pids),
    rssKib: () => readRssKib(tunnel.pids),
    keepSeries(name, points) {
      kept[name] = points;
    },
  };
  const before = {
    at: performance.now(),
    busy: readMachineBusyNs(),
    cpu: [...tunnel.pids, sink.pid, ...helpers].map(readCpu),
    own: readOwnCpuNs(),
  };
  tunnel.pids.forEach(forgetPeak);
  const numbers = await row.run(cell);
  const elapsed = (performance.now() - before.at) / 1000;
  const pids = [...tunnel.pids, sink.pid, ...helpers];
  const used = usedSince(before.cpu, pids);
  // One that has ended counts as a child of ours, with all that it ever used.
  const gone = before.cpu.filter(({ pid }) => !pids.includes(pid));
  const earlier = gone.reduce((sum, { ticksNs }) => sum + ticksNs, 0);
  const ours =
    used.reduce((sum, { total }) => sum + total, 0) + (readOwnCpuNs() - before.own - earlier) / 1e9;
  const busy = (readMachineBusyNs() - before.busy) / 1e9;
  const others = Math.max(0, (busy - ours) / elapsed);
  const disturbed = elapsed > JUDGED_FROM_SECONDS && others > DISTURBANCE_CORES;
  const relays = used.slice(0, tunnel.pids.length);
  const sample = {
    ...numbers,
    ...(cell.relayed ? processNumbers(cell.memory(), relays, elapsed) : {}),
  };
  return { sample, series: kept, others, disturbed };
}

/** What the processes used since then; one that a row has started meanwhile, since its start. */
function usedSince(before: readonly CpuSnapshot[], pids: readonly number[]): CpuUse[] {
  return pids.map((pid) => {
    const start = before.find((snapshot) => snapshot.pid === pid);
    return cpuBetween(start ?? { pid, threads: new Map(), ticksNs: 0 }, readCpu(pid));
  });
}

/** What `PROCESS_METRICS` names. */
function processNumbers(
  { rssKib, pssKib, peakRssKib }: Memory,
  relays: readonly CpuUse[],
  seconds: number,
): Readonly<Record<string, number>> {
  const switches = relays.reduce((sum, use) => sum + use.switches, 0);
  return {
    rssMib: rssKib / 1024,
    pssMib: pssKib / 1024,
    rssPeakMib: peakRssKib / 1024,
    ...(seconds > JUDGED_FROM_SECONDS ? { switches: switches / seconds } : {}),
  };
}
