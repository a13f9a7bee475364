// Child processes: started with a log file each, killed by pid, none left behind. Readiness is
// an event, not a delay: a round trip that works.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const running = new Set<ChildProcess>();
const directories = new Set<string>();

/** What a terminal or an operator ends this process with. */
export const ENDING_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

/** Whatever ends this process ends its children and removes its files. */
export function killAllOnExit(): void {
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL');
    for (const directory of directories) removeAtExit(directory);
  });
  for (const signal of ENDING_SIGNALS) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
  // A report that nobody reads to its end is kept as a file all the same. Without anybody who sees
  // the progress, nobody waits for it.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => process.exit(128 + constants.signals.SIGPIPE));
}

/** One that cannot be removed must not keep the others. */
function removeAtExit(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    process.stderr.write(`bench: ${directory} is left behind: ${String(error)}\n`);
  }
}

/** Starts a child that is killed with this process; its standard streams are the caller's. */
export function track(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** A directory for configuration and logs, removed at exit. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'warren-bench-'));
  directories.add(directory);
  return directory;
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}

/** A long-running program of a tunnel. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #log: string;
  #alive = true;

  constructor(command: Command, log: string) {
    this.#log = log;
    writeFileSync(log, '');
    const fd = openSync(log, 'a');
    this.#child = track(
      spawn(command.file, command.args, {
        stdio: ['ignore', fd, fd],
        env: { ...process.env, ...command.env },
      }),
    );
    closeSync(fd);
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#alive = false;
        resolve();
      };
      this.#child.once('exit', end);
      this.#child.once('error', (error) => {
        // It has not started, so nobody else says why.
        appendFileSync(log, `${error.message}\n`);
        end();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get output(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** SIGTERM, SIGKILL when that does not help; gives the exit code, `null` after a signal. */
  async stop(limitMs: number): Promise<number | null> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    await this.#ended;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  async destroy(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** How long a program that is to end by itself may take. */
const END_LIMIT_MS = 60_000;

/** How a program has ended, and what it printed. */
export interface Ended {
  /** `null` after a signal. */
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/**
 * Runs a program to its end, whatever that is; one that takes too long is ended.
 *
 * @throws Error when it cannot be started.
 */
export async function runProgram(
  { file, args, env }: Command,
  limitMs: number = END_LIMIT_MS,
): Promise<Ended> {
  const child = track(spawn(file, args, { env: { ...process.env, ...env }, timeout: limitMs }));
  let [output, errors] = ['', ''];
  child.stdout?.on('data', (bytes) => {
    output += String(bytes);
  });
  child.stderr?.on('data', (bytes) => {
    errors += String(bytes);
  });
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output, errors }));
  });
}

/**
 * Runs a program to its end and gives what it printed.
 *
 * @throws Error with its last words when it fails or does not end.
 */
export async function runToEnd(command: Command): Promise<string> {
  const { code, output, errors } = await runProgram(command);
  if (code === 0) return output;
  const words = (errors || output).trim();
  throw new Error(`${command.file} ended with ${code ?? 'a signal'}: ${words}`);
}

const PORTS = { from: 20_000, to: 32_000 };

/** A port below the ephemeral range, so that no outgoing connection of a run can take it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    if (await isFree(port)) return port;
  }
}

/** So many different ones. */
export async function freePorts(count: number): Promise<number[]> {
  const free: number[] = [];
  const all = PORTS.to - PORTS.from;
  const start = Math.floor(Math.random() * all);
  for (let step = 0; step < all && free.length < count; step += 1) {
    const port = PORTS.from + ((start + step) % all);
    if (await isFree(port)) free.push(port);
  }
  if (free.length < count) throw new Error(`only ${free.length} of ${count} ports are free`);
  return free;
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

const TRY_LIMIT_MS = 500;
const TRY_EVERY_MS = 20;

/** Connects and, given bytes, waits for the same bytes back; false on any trouble. */
function attempt(
  host: string,
  port: number,
  request: Buffer | undefined,
  reply: string,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (outcome: boolean): void => {
      socket.destroy();
      resolve(outcome);
    };
    let received = '';
    socket.setTimeout(TRY_LIMIT_MS, () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('connect', () => (request === undefined ? end(true) : socket.write(request)));
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (received.length >= reply.length) end(received === reply);
    });
  });
}

async function until(
  what: string,
  limitMs: number,
  daemons: readonly Daemon[],
  works: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await works())) {
    if (daemons.some((daemon) => !daemon.alive)) throw new Error(`a process ended before ${what}`);
    if (Date.now() > deadline) throw new Error(`no ${what} within ${limitMs / 1000} s`);
    await sleep(TRY_EVERY_MS);
  }
}

/** Waits until something listens on the port. */
export async function listens(
  host: string,
  port: number,
  limitMs: number,
  daemons: readonly Daemon[],
): Promise<void> {
  const what = `listener on port ${port}`;
  await until(what, limitMs, daemons, () => attempt(host, port, undefined, ''));
}

/** Waits until the sink's echo answers through the port. */
export async function echoes(
  port: number,
  limitMs: number,
  daemons: readonly Daemon[],
): Promise<void> {
  const request = Buffer.from('eready');
  const works = (): Promise<boolean> => attempt('127.0.0.1', port, request, 'ready');
  await until(`echo through port ${port}`, limitMs, daemons, works);
}
