// The leak check of one tunnel: warm up, load it with short and aborted visitors, and compare what
// both ends hold before and after.

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOADER, runLoad } from '../load/generator.ts';
import { track } from '../load/machine/process.ts';
import type { Site } from '../load/machine/site.ts';
import type { Peer } from '../load/peers/peer.ts';
import { TCP } from '../load/peers/transport.ts';
import { startTunnel, type Tunnel } from '../load/peers/tunnel.ts';
import { ENDS, type End, type EndState, readEnds } from './end-state.ts';
import { readDescriptors } from './process-state.ts';
import { descriptorFaults, leaksMemory, threadFaults } from './verdict.ts';

export interface LeakPlan {
  readonly visitors: number;
  readonly rate: number;
  readonly aborted: number;
  /** Laps before a growth of memory counts as one that never ends. */
  readonly laps: number;
  /** Visitors that are kept open on purpose, to see that the check fails. */
  readonly plant: number;
}

/** What one end held. */
export interface EndStates {
  readonly end: End;
  /** Before any visitor, the pool at its floor. */
  readonly floor: EndState;
  /** After the warm-up and after each lap, at once: the pools are as the load has left them. */
  readonly laps: readonly EndState[];
  /** When all is quiet. */
  readonly after: EndState;
}

export interface LeakResult {
  readonly ends: readonly EndStates[];
  readonly faults: readonly string[];
  readonly boundKib: number;
  /** What the loads said of themselves. */
  readonly loads: readonly string[];
  /** How long after the last load both ends were back at the floor. */
  readonly floorMs: number;
}

/**
 * Growth of one lap that may be noise, each end. The native engine: 42 bytes for each of 50,000
 * visitors. JavaScript's heap breathes: its collector runs when it likes.
 */
const BOUND_KIB = { native: 2048, javascript: 16_384 };
/** The pool of v1 gives a quarter of its surplus back every 10 s; pipes take 20 s. */
const FLOOR_LIMIT_MS = 150_000;
/** Reused channels follow the peak of the last minute. */
const REUSE_FLOOR_LIMIT_MS = 90_000;
/** Reusable channels that are kept for a minute because one visitor at a time has tried each service out. */
const REUSE_SURPLUS = 2;
const FLOOR_EVERY_MS = 250;
/** Quiet means: no change for so long. */
const STEADY_MS = 1500;
const STEADY_LIMIT_MS = 15_000;
/** After a lap: what was closed is closed, and what runs once a second has run. */
const SETTLE_MS = 3000;
const CONCURRENCY = 256;
const STOP_LIMIT_MS = 15_000;
/** Lines of warren's log. */
const STOPPING = /"stopping, visitors may finish"/;
const ENGINE_FAULT = /"fault in the engine/;
const FAULTS_SHOWN = 3;

/**
 * Runs the check. Faults are results; a load that cannot run at all is an error.
 *
 * @throws Error when the tunnel does not start or a process ends.
 */
export async function checkLeaks(peer: Peer, site: Site, plan: LeakPlan): Promise<LeakResult> {
  const tunnel = await startTunnel(peer, TCP, site);
  try {
    const floorLimitMs = peer.isWarren && !peer.v1 ? REUSE_FLOOR_LIMIT_MS : FLOOR_LIMIT_MS;
    const surplus = peer.isWarren && !peer.v1 ? REUSE_SURPLUS : 0;
    return await new LeakCheck(tunnel, plan, floorLimitMs, surplus).run();
  } finally {
    await tunnel.destroy();
  }
}

class LeakCheck {
  readonly #tunnel: Tunnel;
  readonly #plan: LeakPlan;
  readonly #boundKib: number;
  readonly #faults: string[] = [];
  readonly #loads: string[] = [];

  readonly #floorLimitMs: number;
  /** Connections that the start may have had beyond the floor. */
  readonly #surplus: number;

  constructor(tunnel: Tunnel, plan: LeakPlan, floorLimitMs: number, surplus: number) {
    this.#tunnel = tunnel;
    this.#floorLimitMs = floorLimitMs;
    this.#surplus = surplus;
    this.#plan = plan;
    const isScript = tunnel.isNode && tunnel.engine !== 'rust';
    this.#boundKib = isScript ? BOUND_KIB.javascript : BOUND_KIB.native;
  }

  async run(): Promise<LeakResult> {
    const floor = await this.#steady();
    // Bulk in plenty fills the pools of pipes and buffers.
    await this.#load('bulk', { streams: 32, seconds: 1, direction: 'down' });
    await this.#lap();
    const states = [await this.#settled()];
    do {
      await this.#lap();
      states.push(await this.#settled());
    } while (states.length <= this.#plan.laps && this.#grows(states));
    const planted = await this.#plantVisitors();
    const quiet = performance.now();
    const isBack = await this.#backAtFloor(floor);
    const floorMs = performance.now() - quiet;
    if (!isBack) this.#faults.push(`not back at the floor after ${Math.round(floorMs / 1000)} s`);
    const after = await this.#steady();
    const ends = this.#compare(floor, states, after);
    planted?.kill();
    // It still serves; then all visitors must be gone.
    await this.#load('burst', { count: 100 });
    await sleep(SETTLE_MS);
    if (this.#tunnel.isNode) await this.#stop();
    const [faults, loads] = [this.#faults, this.#loads];
    return { ends, faults, boundKib: this.#boundKib, loads, floorMs };
  }

  /** The load whose traces are looked for. */
  async #lap(): Promise<void> {
    const { visitors, rate, aborted } = this.#plan;
    const flags = { count: visitors, rate, concurrency: CONCURRENCY };
    const short = await this.#load('visitors', flags);
    if (short['visitors'] !== visitors) {
      this.#faults.push(`only ${short['visitors']} of ${visitors} visitors were served`);
    }
    const { failures } = await this.#load('abort', { count: aborted });
    if (failures !== 0) this.#faults.push(`${failures} aborted visitors did not get that far`);
  }

  async #load(
    command: string,
    flags: Readonly<Record<string, string | number>>,
  ): Promise<Readonly<Record<string, number>>> {
    const { numbers } = await runLoad(command, { connect: this.#tunnel.tcpAddr, ...flags });
    const reason = this.#tunnel.broken();
    if (reason !== undefined) throw new Error(reason);
    const said = Object.entries(numbers).map(([key, value]) => `${key} ${Math.round(value)}`);
    this.#loads.push(`${command}: ${said.join(', ')}`);
    return numbers;
  }

  async #settled(): Promise<EndState[]> {
    await sleep(SETTLE_MS);
    return readEnds(this.#tunnel);
  }

  /** The state once the descriptors have not changed for a while. */
  async #steady(): Promise<EndState[]> {
    const deadline = Date.now() + STEADY_LIMIT_MS;
    const look = (): string => JSON.stringify(this.#tunnel.pids.map(readDescriptors));
    let [last, since] = [look(), Date.now()];
    while (Date.now() - since < STEADY_MS) {
      await sleep(FLOOR_EVERY_MS);
      const now = look();
      if (now !== last) [last, since] = [now, Date.now()];
      if (Date.now() > deadline) throw new Error('the tunnel does not come to rest');
    }
    return readEnds(this.#tunnel);
  }

  #grows(states: readonly (readonly EndState[])[]): boolean {
    return this.#tunnel.pids.some((_, index) =>
      leaksMemory(
        states.flatMap((ends) => ends[index] ?? []),
        this.#boundKib,
      ),
    );
  }

  /** Waits until the descriptors are those of the start; false when that takes too long. */
  async #backAtFloor(floor: readonly EndState[]): Promise<boolean> {
    const deadline = Date.now() + this.#floorLimitMs;
    const isBack = (): boolean =>
      this.#tunnel.pids.every((pid, index) => {
        const start = floor[index]?.descriptors ?? {};
        return descriptorFaults(start, readDescriptors(pid), this.#surplus).length === 0;
      });
    while (!isBack() && Date.now() < deadline) await sleep(FLOOR_EVERY_MS);
    return isBack();
  }

  #compare(
    floor: readonly EndState[],
    states: readonly (readonly EndState[])[],
    after: readonly EndState[],
  ): EndStates[] {
    return ENDS.flatMap((end, index) => {
      const laps = states.flatMap((ends) => ends[index] ?? []);
      const [start, last, warm] = [floor[index], after[index], laps[0]];
      if (start === undefined || last === undefined || warm === undefined) return [];
      const found = [
        ...descriptorFaults(start.descriptors, last.descriptors, this.#surplus),
        ...threadFaults(warm, last),
        ...(last.connections <= start.connections &&
        last.connections >= start.connections - this.#surplus
          ? []
          : [`tunnel connections: ${start.connections} before, ${last.connections} after`]),
      ];
      if (leaksMemory(laps, this.#boundKib)) {
        found.push(`memory grew by more than ${this.#boundKib} KiB in every lap`);
      }
      this.#faults.push(...found.map((fault) => `${end}: ${fault}`));
      return [{ end, floor: start, laps, after: last }];
    });
  }

  async #plantVisitors(): Promise<ChildProcess | undefined> {
    const { plant } = this.#plan;
    if (plant === 0) return undefined;
    const flags = ['--connect', this.#tunnel.tcpAddr, '--count', String(plant), '--seconds', '600'];
    const child = track(spawn(LOADER, ['hold', ...flags], { stdio: ['ignore', 'pipe', 'ignore'] }));
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    return child;
  }

  /** A warren says when it stops how many visitors it still has, and whether something went wrong. */
  async #stop(): Promise<void> {
    for (const [index, daemon] of this.#tunnel.daemons.entries()) {
      const end = index === 0 ? 'server' : 'client';
      const code = await daemon.stop(STOP_LIMIT_MS);
      const lines = daemon.output.split('\n');
      const open = /"visitors":(\d+)/.exec(
        lines.findLast((line) => STOPPING.test(line)) ?? '',
      )?.[1];
      const faults = lines.filter((line) => ENGINE_FAULT.test(line));
      if (open !== '0') this.#faults.push(`${end}: ${open ?? 'no number of'} visitors at its end`);
      if (code !== 0) this.#faults.push(`${end}: ended with ${code ?? 'SIGKILL'} on SIGTERM`);
      this.#faults.push(...faults.slice(0, FAULTS_SHOWN).map((line) => `${end}: ${line}`));
    }
  }
}
