// wrk: HTTP requests over so many connections, each as soon as the last one is answered.
//
// Two things to know of its percentiles. It starts the clock when the connection is up, so a
// connection per request costs rate and not latency. And it adds samples for the requests that a
// slow answer has held back, so they are those of a steady rate and not of the answers alone.

import { type Command, runProgram } from '../machine/process.ts';

export interface WrkRun {
  readonly addr: string;
  readonly connections: number;
  /** Whole ones. */
  readonly seconds: number;
  readonly headers: readonly string[];
}

/** What wrk has measured, by the names of the load generator's reports. */
export interface WrkNumbers extends Readonly<Record<string, number>> {
  readonly requests: number;
  readonly seconds: number;
  readonly per_second: number;
  readonly p50_us: number;
  readonly p75_us: number;
  readonly p90_us: number;
  readonly p99_us: number;
}

/** Connecting and the end. */
const MARGIN_MS = 15_000;
const UNIT_US: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6 };

/** @throws Error with wrk's own words where it could not run or not every request was served. */
export async function runWrk(run: WrkRun): Promise<WrkNumbers> {
  const command = wrkCommand(run);
  const { code, output, errors } = await runProgram(command, run.seconds * 1000 + MARGIN_MS);
  if (code !== 0) {
    const words = (errors || output).trim();
    throw new Error(`wrk ended with ${code ?? 'a signal, as it took too long'}: ${words}`);
  }
  return parseWrk(output);
}

function wrkCommand({ addr, connections, seconds, headers }: WrkRun): Command {
  const given = headers.flatMap((header) => ['-H', header]);
  const extent = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency'];
  return { file: 'wrk', args: [...extent, ...given, `http://${addr}/`] };
}

/**
 * Reads what wrk prints.
 *
 * Its errors are all real ones, over a connection per request, too: it closes by itself as soon as
 * the announced 64 bytes are there, without reading on, so an end of the connection that it does
 * read has come too early (seen with 4.1.0 against the sink, and against a server that cuts off).
 *
 * @throws Error for socket errors, other answers than 2xx and 3xx, and when nothing was answered.
 */
export function parseWrk(output: string): WrkNumbers {
  const problem = /^ *((?:Socket errors|Non-2xx or 3xx responses):.*)$/gm;
  const problems = [...output.matchAll(problem)].map(([, text]) => text);
  const total = /^ *(\d+) requests in ([\d.]+)(\w+),/m.exec(output);
  const requests = Number(total?.[1]);
  if (problems.length > 0) throw new Error(`wrk: ${problems.join('; ')}; ${requests} requests`);
  if (!(requests > 0)) throw new Error(`wrk: no request was answered; it printed: ${output}`);
  return {
    requests,
    seconds: microseconds(total?.[2], total?.[3]) / 1e6,
    per_second: Number(/^Requests\/sec: +([\d.]+)/m.exec(output)?.[1]),
    p50_us: percentile(output, 50),
    p75_us: percentile(output, 75),
    p90_us: percentile(output, 90),
    p99_us: percentile(output, 99),
  };
}

function percentile(output: string, percent: number): number {
  const line = new RegExp(`^ +${percent}% +([\\d.]+)(\\w+)$`, 'm').exec(output);
  return microseconds(line?.[1], line?.[2]);
}

function microseconds(value: string | undefined, unit: string = ''): number {
  const scale = UNIT_US[unit];
  if (value === undefined || scale === undefined) {
    throw new Error(`wrk printed no time but ${value ?? 'nothing'}${unit}; is it another version?`);
  }
  return Number(value) * scale;
}
