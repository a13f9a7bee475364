// Rounds: in each, every row meets every peer in random order, so that a machine whose speed
// drifts is the same for all. Keeps every sample.

import { setTimeout as sleep } from 'node:timers/promises';
import { shuffled } from '../report/stats.ts';
import { runCell } from './cell.ts';
import type { Site } from './machine/site.ts';
import type { Options } from './options.ts';
import type { Missing, Peer } from './peers/peer.ts';
import { LONG_WAY, type Transport, type TransportName } from './peers/transport.ts';
import { startTunnel, type Tunnel } from './peers/tunnel.ts';
import { Progress } from './progress.ts';
import { reload } from './rows/reload.ts';
import type { Row, Series } from './rows/row.ts';
import { keepRows, ROWS, type Stage } from './rows/rows.ts';

export interface Sample {
  /** Where a run failed there is a gap, so the place in a list does not say it. */
  readonly round: number;
  readonly numbers: Readonly<Record<string, number>>;
  /** Values over time, where the row kept some. */
  readonly series: Readonly<Record<string, Series>>;
  /** Cores that other programs used meanwhile. */
  readonly others: number;
}

export interface RowResult {
  readonly name: string;
  /** By peer, one sample a round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

export interface Failure {
  readonly row: string;
  readonly peer: string;
  readonly round: number;
  readonly message: string;
}

export interface Results {
  readonly rows: readonly RowResult[];
  readonly failures: readonly Failure[];
  readonly dropped: readonly Missing[];
  readonly engines: ReadonlyMap<string, string>;
  readonly disturbed: { readonly cells: number; readonly of: number };
  readonly seconds: number;
}

export interface Plan {
  readonly options: Options;
  readonly stages: readonly Stage[];
  /** Those of all rows. */
  readonly transports: ReadonlyMap<TransportName, Transport>;
  readonly peers: readonly Peer[];
  readonly site: Site;
  /** With an iperf3 server beside the sink, where a row needs it. */
  readonly iperf3?: Site | undefined;
  /** Of the transport with the long way. */
  readonly longWay: Site | undefined;
}

/** A pool that grows with demand has grown, and a second is still measured. */
const LONG_WAY_SECONDS = 1.5;

/** Runs all rounds; a cell that fails is noted and the rest goes on. */
export async function runRounds(plan: Plan): Promise<Results> {
  return await new Rounds(plan).run();
}

/**
 * Checks that there is something to measure before anything is started.
 *
 * @throws Error that names what was picked and what is left out.
 */
export function assertSomeMeet(
  peers: readonly Peer[],
  rows: readonly Row[],
  missing: readonly Missing[],
): void {
  if (peers.some((peer) => rows.some((row) => takesPart(peer, row)))) return;
  const names = (all: readonly { readonly name: string }[]): string =>
    all.map(({ name }) => name).join(', ');
  const picked =
    peers.length === 0 || rows.length === 0
      ? 'there is nothing to measure'
      : `none of ${names(peers)} takes part in any of ${names(rows)}`;
  const reasons = missing.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  throw new Error(reasons === '' ? picked : `${picked}; left out: ${reasons}`);
}

interface Running {
  readonly peer: Peer;
  readonly tunnel: Tunnel;
}

class Rounds {
  readonly #plan: Plan;
  readonly #samples = new Map<string, Record<string, Sample[]>>();
  readonly #failures: Failure[] = [];
  readonly #dropped: Missing[] = [];
  readonly #engines = new Map<string, string>();
  readonly #progress: Progress;
  #cells = 0;
  #disturbed = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    const rows = plan.stages.flatMap(({ first, shuffled: rest }) => [...first, ...rest]);
    const cells = plan.peers.flatMap((peer) => rows.filter((row) => takesPart(peer, row)));
    this.#progress = new Progress(
      cells.flatMap((row) => Array.from({ length: this.#roundsOf(row) }, () => row.name)),
    );
  }

  async run(): Promise<Results> {
    const started = Date.now();
    for (let round = 1; round <= this.#plan.options.rounds; round += 1) {
      const stages = keepRows(this.#plan.stages, (row) => round <= this.#roundsOf(row));
      for (const stage of stages) await this.#stage(stage, round);
    }
    this.#progress.end();
    return {
      rows: ROWS.filter(({ name }) => this.#samples.has(name)).map(({ name }) => ({
        name,
        samples: this.#samples.get(name) ?? {},
      })),
      failures: this.#failures,
      dropped: this.#dropped,
      engines: this.#engines,
      disturbed: { cells: this.#disturbed, of: this.#cells },
      seconds: Math.round((Date.now() - started) / 1000),
    };
  }

  #roundsOf({ name, transport }: Row): number {
    const { rounds, memoryRounds, transportRounds } = this.#plan.options;
    const isMemory = this.#plan.stages.some(
      (stage) => stage.isMemory && stage.first.some((row) => row.name === name),
    );
    if (isMemory) return memoryRounds;
    return transport === 'tcp' || transport === LONG_WAY ? rounds : transportRounds;
  }

  async #stage(stage: Stage, round: number): Promise<void> {
    const rows = [...stage.first, ...stage.shuffled];
    const tunnels = await this.#startAll(round, rows);
    try {
      if (stage.first.length > 0) await sleep(stage.settleMs);
      for (const row of [...stage.first, ...shuffled(stage.shuffled)]) {
        for (const { peer, tunnel } of shuffled(tunnels)) {
          const meets = tunnel.transport.name === row.transport && takesPart(peer, row);
          if (meets) await this.#cell(row, peer.name, tunnel, round);
        }
      }
    } finally {
      await Promise.all(tunnels.map(({ tunnel }) => tunnel.destroy()));
    }
  }

  /** A peer that does not start over a transport is left out there from then on. */
  async #startAll(round: number, rows: readonly Row[]): Promise<Running[]> {
    const running: Running[] = [];
    for (const transport of this.#plan.transports.values()) {
      const carried = rows.filter((row) => row.transport === transport.name);
      const isReloaded = carried.some(({ kind }) => kind === reload.name);
      for (const peer of this.#plan.peers) {
        if (!carried.some((row) => takesPart(peer, row))) continue;
        const name = transport.name === 'tcp' ? peer.name : `${peer.name} over ${transport.name}`;
        if (this.#dropped.some((dropped) => dropped.name === name)) continue;
        try {
          const site = this.#siteOf(transport, carried);
          const tunnel = await startTunnel(peer, transport, site, isReloaded);
          running.push({ peer, tunnel });
          if (tunnel.engine !== undefined) this.#engines.set(peer.name, tunnel.engine);
        } catch (error) {
          const reason = `did not start in round ${round}: ${text(error)}`;
          this.#dropped.push({ name, reason });
        }
      }
    }
    return running;
  }

  #siteOf({ name }: Transport, rows: readonly Row[]): Site {
    const { site, iperf3, longWay } = this.#plan;
    if (rows.some(({ needs }) => needs === 'iperf3')) return iperf3 ?? site;
    if (name !== LONG_WAY) return site;
    if (longWay === undefined) throw new Error('there is no long way');
    return longWay;
  }

  #secondsOf({ transport }: Row): number {
    const { seconds, transportSeconds } = this.#plan.options;
    if (transport === LONG_WAY) return Math.max(seconds, LONG_WAY_SECONDS);
    return transport === 'tcp' ? seconds : transportSeconds;
  }

  async #cell(row: Row, peer: string, tunnel: Tunnel, round: number): Promise<void> {
    const { rounds, tries } = this.#plan.options;
    this.#progress.show(`round ${round}/${rounds}, ${row.name}, ${peer}`);
    try {
      assertCarries(tunnel);
      const seconds = this.#secondsOf(row);
      const { sample, series, others, disturbed } = await runCell(row, tunnel, seconds, tries);
      assertCarries(tunnel);
      this.#disturbed += Number(disturbed);
      const byPeer = this.#samples.get(row.name) ?? {};
      this.#samples.set(row.name, byPeer);
      const samples = byPeer[peer] ?? [];
      byPeer[peer] = samples;
      samples.push({ round, numbers: sample, series, others });
    } catch (error) {
      this.#failures.push({ row: row.name, peer, round, message: text(error) });
    }
    this.#cells += 1;
    this.#progress.step(row.name);
  }
}

function takesPart({ rows, transports }: Peer, { name, transport }: Row): boolean {
  if (transports !== undefined && !transports.includes(transport)) return false;
  return rows === undefined || rows.some((prefix) => name.startsWith(prefix));
}

/** A tunnel that died must not leave a number behind. */
function assertCarries(tunnel: Tunnel): void {
  const reason = tunnel.broken();
  if (reason !== undefined) throw new Error(reason);
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
