// iperf3: bytes one way over so many streams, and the server that takes or sends them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Command, freePort, runProgram, track } from '../machine/process.ts';

export interface Iperf3Run {
  /** HOST:PORT. */
  readonly addr: string;
  readonly direction: 'up' | 'down';
  readonly streams: number;
  /** Whole ones. */
  readonly seconds: number;
}

/** What was received, at whichever end. */
export interface Iperf3Numbers extends Readonly<Record<string, number>> {
  readonly gbit: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** The server has one client at a time, and the last one's end may still be on its way. */
export class Iperf3Busy extends Error {}

const START_LIMIT_MS = 5000;
const CONNECT_LIMIT_MS = 5000;
/** Connecting, and the results that both ends exchange. */
const MARGIN_MS = 15_000;

/**
 * Starts a server that ends with this process, and waits until it listens.
 *
 * @throws Error with what it said when it does not.
 */
export async function startIperf3(): Promise<{ port: number; pid: number }> {
  const port = await freePort();
  const args = ['--server', '--bind', '127.0.0.1', '--port', `${port}`, '--forceflush'];
  const child = spawn('iperf3', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  track(child);
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += String(bytes);
  });
  const signal = AbortSignal.timeout(START_LIMIT_MS);
  // A trial connection would count as a client, so its own line tells. It is read on until the
  // end, for a full pipe would stop the server.
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes(`listening on ${port}`)) resolve();
    });
  });
  const ended = once(child, 'close', { signal }).then(
    () => Promise.reject(new Error(`iperf3 -s ended at once: ${said.trim()}`)),
    () => Promise.reject(new Error(`iperf3 -s did not listen within ${START_LIMIT_MS} ms`)),
  );
  await Promise.race([ready, ended]);
  ended.catch(() => {});
  const { pid } = child;
  if (pid === undefined) throw new Error('iperf3 -s was not started');
  return { port, pid };
}

/**
 * Runs a client to its end.
 *
 * @throws Iperf3Busy when the server still has another client, Error with iperf3's own words else.
 */
export async function runIperf3(run: Iperf3Run): Promise<Iperf3Numbers> {
  const command = iperf3Command(run);
  const { code, output, errors } = await runProgram(command, run.seconds * 1000 + MARGIN_MS);
  if (code === null) throw new Error('iperf3 took too long and was ended');
  // Whether an error that stands in the JSON shows in the exit code depends on the version.
  if (output === '') throw new Error(`iperf3 ended with ${code}: ${errors.trim()}`);
  return parseIperf3(output);
}

function iperf3Command({ addr, direction, streams, seconds }: Iperf3Run): Command {
  const at = addr.lastIndexOf(':');
  const where = ['--client', addr.slice(0, at), '--port', addr.slice(at + 1)];
  const extent = ['--time', `${seconds}`, '--parallel', `${streams}`];
  const limit = ['--connect-timeout', `${CONNECT_LIMIT_MS}`];
  const way = direction === 'down' ? ['--reverse'] : [];
  return { file: 'iperf3', args: [...where, '--json', ...extent, ...limit, ...way] };
}

/**
 * Reads what iperf3 prints with `--json`.
 *
 * @throws Iperf3Busy when the server has another client, Error for any other error in it.
 */
export function parseIperf3(output: string): Iperf3Numbers {
  const report = readJson(output);
  const error = field(report, 'error');
  if (typeof error === 'string') {
    const message = `iperf3: ${error}`;
    throw error.includes('server is busy') ? new Iperf3Busy(message) : new Error(message);
  }
  const received = field(field(report, 'end'), 'sum_received');
  const number = (name: string): number => {
    const value = field(received, name);
    if (typeof value === 'number') return value;
    throw new Error(`iperf3's report has no end.sum_received.${name}; is it another version?`);
  };
  const bytes = number('bytes');
  if (bytes === 0) throw new Error('iperf3: no byte was received');
  return { gbit: number('bits_per_second') / 1e9, bytes, seconds: number('seconds') };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`iperf3 printed no JSON: ${text.trim()}`);
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
