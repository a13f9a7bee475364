/**
 * One demo from first to last: its processes, its steps, its summary. Every wait is for an event (a
 * log line, a response, an exit) under a deadline; whatever happens, nothing is left behind.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorText } from '../errors.ts';
import { prettyLine, safeJsonLine } from '../log-pretty.ts';
import { Child, type Ending, endingText } from './child.ts';
import {
  boundAddress,
  clientToml,
  ECHO_SERVICE,
  type LocalPorts,
  localPorts,
  makeToken,
  readyFacts,
  serverToml,
  startDaemon,
  WEB_SERVICE,
} from './daemons.ts';
import { peakMemory } from './memory.ts';
import { formatDuration, type Step, type Terminal } from './terminal.ts';
import { visitBlob, visitEcho, visitPage } from './visits.ts';

const MIB = 1_048_576;
const DATAGRAM_SIZES: readonly number[] = [0, 1, 512, 1_400, 9_000, 65_000];
const STEP_MS = 30_000;
/** A transfer may be as slow as 2 MiB/s. */
const TRANSFER_MS_PER_MIB = 500;
const LOG_LINES_SHOWN = 25;
/** It has no SIGTERM to ask with: Node ends the process. */
const IS_WINDOWS = process.platform === 'win32';
const LOCAL_SERVICE = fileURLToPath(new URL('./local-service.js', import.meta.url));

/** Work of a step: what is printed behind its name, and what later steps need of it. */
type Work<T> = (signal: AbortSignal, step: Step) => Promise<readonly [detail: string, result: T]>;

interface Daemons {
  readonly server: Child;
  readonly client: Child;
  readonly web: string;
  readonly echo: string;
}

export class DemoRun {
  readonly #terminal: Terminal;
  readonly #mebibytes: number;
  readonly #cancel = new AbortController();
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'warren-demo-'));
  readonly #children: Child[] = [];
  #stepCount = 0;

  constructor(terminal: Terminal, mebibytes: number) {
    this.#terminal = terminal;
    this.#mebibytes = mebibytes;
  }

  /** Ends the step that runs; `run` then takes everything down. */
  cancel(reason: Error): void {
    this.#cancel.abort(reason);
  }

  /** True when every step was right. */
  async run(): Promise<boolean> {
    const begin = performance.now();
    // The last resort: this process ends while its children run.
    const destroy = (): void => {
      for (const child of this.#children) child.destroy();
    };
    process.once('exit', destroy);
    const facts = await this.#walk().catch(() => undefined);
    const isStopped = await this.#takeDown(facts !== undefined);
    process.off('exit', destroy);
    rmSync(this.#folder, { recursive: true, force: true });
    this.#terminal.line();
    if (facts === undefined || !isStopped) {
      if (!this.#cancel.signal.aborted) this.#showLogs();
      return false;
    }
    const time = formatDuration(performance.now() - begin);
    this.#terminal.title(`  All ${this.#stepCount} steps passed in ${time}.`);
    for (const fact of facts) this.#terminal.line(`  ${fact}`);
    return true;
  }

  /** The steps; the result is the summary's facts. */
  async #walk(): Promise<string[]> {
    const local = await this.#step('local service', STEP_MS, (signal) => this.#startLocal(signal));
    const daemons = await this.#startDaemons(local);
    await this.#step('page', STEP_MS, async (signal) => {
      const bytes = await visitPage(daemons.web, signal);
      return [`GET http://${daemons.web}/ → 200, ${bytes} bytes`, undefined];
    });
    const seconds = await this.#transfer(daemons.web);
    await this.#step('datagrams', STEP_MS, async (signal) => {
      const resent = await visitEcho(daemons.echo, DATAGRAM_SIZES, signal);
      const again = resent === 0 ? '' : `, ${resent} sent again`;
      return [`${DATAGRAM_SIZES.join(', ')} bytes came back${again}`, undefined];
    });
    return [throughputFact(this.#mebibytes, seconds), ...memoryFacts(daemons)];
  }

  async #startLocal(signal: AbortSignal): Promise<readonly [string, LocalPorts]> {
    const child = this.#keep(Child.start('local service', [LOCAL_SERVICE], process.env));
    const ports = await child.waitForLine(localPorts, signal);
    const { tcpPort, udpPort } = ports;
    return [`pid ${child.pid}, http port ${tcpPort}, udp echo port ${udpPort}`, ports];
  }

  async #startDaemons(local: LocalPorts): Promise<Daemons> {
    const token = makeToken();
    const start = (name: string, toml: string): Child =>
      this.#keep(startDaemon(name, toml, this.#folder));
    const [server, address] = await this.#step('warren server', STEP_MS, async (signal) => {
      const child = start('warren server', serverToml(token));
      const facts = await child.waitForLine(readyFacts, signal);
      const detail = `pid ${child.pid}, ${facts.engine} engine, port ${portOf(facts.address)}`;
      return [detail, [child, facts.address] as const];
    });
    return await this.#step('warren client', STEP_MS, async (signal) => {
      const web = server.waitForLine(boundAddress(WEB_SERVICE), signal);
      const echo = server.waitForLine(boundAddress(ECHO_SERVICE), signal);
      const client = start('warren client', clientToml(token, address, local));
      const ready = client.waitForLine(readyFacts, signal);
      const [webAt, echoAt] = await Promise.all([web, echo, ready]);
      const ports = `tcp port ${portOf(webAt)}, udp port ${portOf(echoAt)}`;
      const detail = `pid ${client.pid}, exposes ${ports}`;
      return [detail, { server, client, web: webAt, echo: echoAt }];
    });
  }

  #transfer(address: string): Promise<number> {
    const size = this.#mebibytes;
    const deadlineMs = STEP_MS + size * TRANSFER_MS_PER_MIB;
    return this.#step('transfer', deadlineMs, async (signal, step) => {
      const onProgress = (received: number): void => {
        const percent = Math.floor((100 * received) / (size * MIB));
        step.progress(`${Math.floor(received / MIB)} of ${size} MiB, ${percent} %`);
      };
      const { digest, seconds } = await visitBlob(address, size * MIB, onProgress, signal);
      const short = `${digest.slice(0, 4)}…${digest.slice(-4)}`;
      return [`${size} MiB in ${seconds.toFixed(2)} s, SHA-256 ${short} as expected`, seconds];
    });
  }

  /** Runs a step under a deadline, prints its end, and throws what went wrong. */
  async #step<T>(name: string, deadlineMs: number, work: Work<T>): Promise<T> {
    const step = this.#terminal.step(name);
    const deadline = new AbortController();
    const seconds = deadlineMs / 1_000;
    const timer = setTimeout(
      () => deadline.abort(new Error(`not done within ${seconds} s`)),
      deadlineMs,
    );
    const signal = AbortSignal.any([this.#cancel.signal, deadline.signal]);
    try {
      signal.throwIfAborted();
      const [detail, result] = await work(signal, step);
      this.#stepCount += 1;
      step.done(detail);
      return result;
    } catch (error) {
      // What was waited for only says "aborted"; the reason says why.
      step.failed(errorText(signal.aborted ? signal.reason : error));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #keep(child: Child): Child {
    this.#children.push(child);
    return child;
  }

  /** Client, server, local service, in this order; true when the daemons drained and ended well. */
  async #takeDown(isChecked: boolean): Promise<boolean> {
    const step = this.#terminal.step('stop');
    const endings: string[] = [];
    let isWell = true;
    for (const child of this.#children.toReversed()) {
      const isLocal = child.name === 'local service';
      const ending: Ending = await child.stop(isLocal ? 'input' : 'signal');
      isWell &&= ending.code === 0 || (IS_WINDOWS && ending.signal === 'SIGTERM');
      endings.push(`${child.name}: ${endingText(ending)}`);
    }
    if (isChecked && !isWell) {
      step.failed(endings.join(', '));
      return false;
    }
    this.#stepCount += 1;
    const how = IS_WINDOWS ? 'ended' : 'drained and ended with exit code 0';
    step.done(isChecked ? `${endings.length} processes ${how}` : 'nothing is left');
    return true;
  }

  #showLogs(): void {
    for (const { name, lines } of this.#children) {
      this.#terminal.title(`  last lines of the ${name}`);
      for (const line of lines.slice(-LOG_LINES_SHOWN)) {
        const isRecord = line.startsWith('{"level"');
        const text = isRecord ? prettyLine(line, false) : safeJsonLine(line);
        this.#terminal.line(`    ${text.trimEnd()}`);
      }
    }
  }
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}

function throughputFact(mebibytes: number, seconds: number): string {
  const megabits = (mebibytes * MIB * 8) / seconds / 1e6;
  const rate = megabits < 1_000 ? `${megabits.toFixed(0)} Mbit/s` : gigabits(megabits);
  return `throughput  ${rate} (${(megabits / 8).toFixed(0)} MB/s) through both daemons`;
}

function gigabits(megabits: number): string {
  return `${(megabits / 1_000).toFixed(2)} Gbit/s`;
}

function memoryFacts({ server, client }: Daemons): string[] {
  const peaks = [server, client].map(({ pid }) => peakMemory(pid));
  const [ofServer, ofClient] = peaks;
  if (ofServer === undefined || ofClient === undefined) return [];
  const text = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  return [`memory      at most ${text(ofServer)} server, ${text(ofClient)} client`];
}
