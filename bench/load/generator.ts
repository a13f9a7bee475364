// The load generator's face here: building it, the sink, one run and its report.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Command, track } from './machine/process.ts';

/** The repository; this file runs as bench/dist/load/generator.js. */
export const ROOT: string = fileURLToPath(new URL('../../..', import.meta.url));
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
      'the load generator (bench/generator, Rust) needs cargo, which was not found on PATH; install Rust from https://rustup.rs and run this again',
    );
  }
  if (built.status !== 0)
    throw new Error('cargo could not build the load generator (bench/generator)');
}

/** Starts the service that tunnels lead to, where their client is. */
export async function startSink(
  atClient: (command: Command) => Command = (command) => command,
): Promise<Sink> {
  const { ready: port, pid } = await startService({ command: 'sink', at: atClient });
  return { addr: `127.0.0.1:${port}`, port, pid };
}

/**
 * Starts what serves until this process ends, and waits for its first line.
 *
 * @throws Error with what the load generator said when it ends before.
 */
export async function startService({
  command,
  flags = {},
  at = (same) => same,
}: {
  readonly command: string;
  readonly flags?: Flags;
  readonly at?: (command: Command) => Command;
}): Promise<{ ready: number; pid: number }> {
  const { file, args } = at({ file: LOADER, args: [command, ...words(flags)] });
  const child = track(spawn(file, args));
  let errors = '';
  child.stderr?.on('data', (bytes) => {
    errors += String(bytes);
  });
  const { stdout, pid } = child;
  if (stdout === null) throw new Error(`${command} has no stdout`);
  const ended = once(child, 'close').then(() => {
    throw new Error(errors.trim() || `${command} ended at once`);
  });
  const [line] = await Promise.race([once(createInterface({ input: stdout }), 'line'), ended]);
  // Killed with this process, and nobody waits for it any more.
  ended.catch(() => {});
  const { ready } = parseReport(String(line)).numbers;
  if (ready === undefined || pid === undefined) throw new Error(`${command} is not ready`);
  return { ready, pid };
}

/** A load that goes on until it is ended. */
export interface Background {
  /** Ends it and gives its report. */
  end(): Promise<LoadResult>;
}

type Flags = Readonly<Record<string, string | number>>;

/** Below all others: it stands for work that other machines do. */
const BACKGROUND_PRIORITY = 10;

/**
 * Runs one load to its end. `onLine` gets every report line as it comes (`hold` prints one while
 * the connections are up).
 *
 * @throws Error with what the load generator said, or when it does not end.
 */
export async function runLoad(
  command: string,
  flags: Flags,
  onLine: (result: LoadResult) => void = () => {},
): Promise<LoadResult> {
  return await start(command, flags, onLine).result;
}

/**
 * Starts a load that ends with its stdin, and waits until it has said that it goes on.
 *
 * @throws Error with what the load generator said when it ends before.
 */
export async function startBackground(command: string, flags: Flags): Promise<Background> {
  let onLine = (): void => {};
  const begun = new Promise<void>((resolve) => {
    onLine = resolve;
  });
  const { child, result } = start(command, flags, () => onLine());
  if (child.pid !== undefined) setPriority(child.pid, BACKGROUND_PRIORITY);
  await Promise.race([begun, result]);
  return {
    end: async () => {
      child.stdin?.end();
      return await result;
    },
  };
}

function start(
  command: string,
  flags: Flags,
  onLine: (result: LoadResult) => void,
): { child: ChildProcess; result: Promise<LoadResult> } {
  const child = track(spawn(LOADER, [command, ...words(flags)], { timeout: RUN_LIMIT_MS }));
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
  const result = new Promise<LoadResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 && last !== undefined) resolve(last);
      else reject(new Error(errors.trim() || `${command} ended with ${code ?? 'a signal'}`));
    });
  });
  // Whoever started it awaits the result, but perhaps only later.
  result.catch(() => {});
  return { child, result };
}

function words(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
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
