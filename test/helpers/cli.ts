/** Runs the built program (`dist/cli.js`) as a process of its own, and its configuration files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLI: string = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

const WAIT_MS = 15_000;

export type CliEnv = Readonly<Record<string, string | undefined>>;

/** A log line that was parsed; `msg` is its message. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The caller's environment without what steers the log. */
function cleanEnv(env: CliEnv): NodeJS.ProcessEnv {
  const clean: NodeJS.ProcessEnv = { ...process.env, ...env };
  for (const name of ['WARREN_LOG', 'RUST_LOG', 'WARREN_LOG_FORMAT', 'WARREN_ACCESS_LOG']) {
    if (env[name] === undefined) delete clean[name];
  }
  return clean;
}

/** A process that runs until it is told to end. */
export class CliProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly #changed: (() => void)[] = [];

  constructor(
    args: readonly string[],
    env: CliEnv = {},
    nodeArgs: readonly string[] = [],
    cli: string = CLI,
  ) {
    const child = spawn(process.execPath, [...nodeArgs, cli, ...args], {
      env: cleanEnv(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.ended = once(child, 'close').then(([code, signal]) => {
      this.#wake();
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get logLines(): LogLine[] {
    const lines = this.stdout.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** The first log line with this message, at once or when it comes; `from` skips earlier ones. */
  waitForLog(message: string, from = 0): Promise<LogLine> {
    return this.#waitFor(message, () =>
      this.logLines.slice(from).find(({ msg }) => msg === message),
    );
  }

  /** Standard output once it has this text. */
  waitForText(text: string): Promise<string> {
    return this.#waitFor(text, () => (this.stdout.includes(text) ? this.stdout : undefined));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async #waitFor<T>(what: string, find: () => T | undefined): Promise<T> {
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0 || this.child.exitCode !== null) {
        throw new Error(`no "${what}" in:\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}

/** Runs a command line to its end; `cli` for another build than this clone's. */
export function runCli(args: readonly string[], env: CliEnv = {}, cli?: string): Promise<Ended> {
  return new CliProcess(args, env, [], cli).ended;
}

/** Processes and a folder for files, both gone after `clean`. */
export class CliWorld {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'warren-cli-'));
  readonly #processes: CliProcess[] = [];

  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  start(
    args: readonly string[],
    env: CliEnv = {},
    nodeArgs: readonly string[] = [],
    cli?: string,
  ): CliProcess {
    const process = new CliProcess(args, env, nodeArgs, cli);
    this.#processes.push(process);
    return process;
  }

  async clean(): Promise<void> {
    for (const { child } of this.#processes) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    }
    await Promise.all(this.#processes.map(({ ended }) => ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
