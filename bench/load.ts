// The load generator's face here: building it, the sink, one run and its report.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { track } from './process.ts';

/** The repository; this file runs as bench/dist/load.js. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));
/** The load generator, as cargo builds it. */
export const LOADER: string = join(
  process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target'),
  'release/warren-load',
);
/** A run whose length is not given by its own flags. */
const RUN_LIMIT_MS = 150_000;

/** A run's report: its numbers, and the one word some runs have. */
export interface LoadResult {
  readonly numbers: Readonly<Record<string, number>>;
  readonly congestion: string;
}

export interface Sink {
  readonly addr: string;
  readonly port: number;
  readonly pid: number;
}

/**
 * Builds the load generator; quick when it is built already.
 *
 * @throws Error when cargo is missing or the build fails.
 */
export async function buildLoader(): Promise<void> {
  const args = ['build', '--release', '--quiet', '--package', 'warren-load'];
  const built = spawnSync('cargo', args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (built.error !== undefined) {
    throw new Error(
      'the load generator (bench/load, Rust) needs cargo, which was not found on PATH; install Rust from https://rustup.rs and run this again',
    );
  }
  if (built.status !== 0) throw new Error('cargo could not build the load generator (bench/load)');
}

/** Starts the service that all tunnels lead to. */
export async function startSink(): Promise<Sink> {
  const child = track(spawn(LOADER, ['sink'], { stdio: ['ignore', 'pipe', 'inherit'] }));
  if (child.stdout === null) throw new Error('the sink has no stdout');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const { ready: port } = parseReport(String(line)).numbers;
  if (port === undefined || child.pid === undefined) throw new Error('the sink did not start');
  return { addr: `127.0.0.1:${port}`, port, pid: child.pid };
}

/**
 * Runs one load to its end. `onLine` gets every report line as it comes (`hold` prints one while
 * the connections are up).
 *
 * @throws Error with what the load generator said, or when it does not end.
 */
export function runLoad(
  command: string,
  flags: Readonly<Record<string, string | number>>,
  onLine: (result: LoadResult) => void = () => {},
): Promise<LoadResult> {
  const args = [
    command,
    ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]),
  ];
  const child = track(
    spawn(LOADER, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: RUN_LIMIT_MS }),
  );
  let errors = '';
  let last: LoadResult | undefined;
  child.stderr?.on('data', (bytes) => {
    errors += String(bytes);
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      last = parseReport(line);
      onLine(last);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 && last !== undefined) resolve(last);
      else reject(new Error(errors.trim() || `${command} ended with ${code ?? 'a signal'}`));
    });
  });
}

function parseReport(line: string): LoadResult {
  const report: unknown = JSON.parse(line);
  if (typeof report !== 'object' || report === null) throw new Error(`not a report: ${line}`);
  const entries = Object.entries(report);
  const congestion = entries.find(([name]) => name === 'congestion')?.[1];
  return {
    numbers: Object.fromEntries(
      entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    ),
    congestion: typeof congestion === 'string' ? congestion : 'unknown',
  };
}
