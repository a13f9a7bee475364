/**
 * A real process under test: its output by lines (those that came before a wait count too), waiting
 * for one of them, and an end by pid that is certain.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Resources, within } from './process-resources.ts';

const LINES_KEPT = 5_000;
const LINES_SHOWN = 30;
const KILL_AFTER_MS = 15_000;

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export class Daemon {
  readonly name: string;
  /** Every line of both streams, oldest first. */
  readonly lines: string[] = [];
  readonly ended: Promise<Ending>;
  readonly #process: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();
  #ending: Ending | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#process = child;
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#ending ??= { code, signal };
        resolve(this.#ending);
      };
      // `close`: its last lines have been read too.
      child.once('close', end);
      child.once('error', (error) => {
        this.#take(`cannot be started: ${error.message}`);
        end(null, null);
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) {
        createInterface({ input: stream }).on('line', (line) => this.#take(line));
      }
    }
  }

  /** Starts a program; the resources end it. */
  static start(
    resources: Resources,
    name: string,
    command: readonly [program: string, ...args: string[]],
    { env = process.env, cwd }: StartOptions = {},
  ): Daemon {
    const [program, ...args] = command;
    const child = spawn(program, args, {
      env: { ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    const daemon = new Daemon(name, child);
    resources.defer(() => daemon.kill());
    return daemon;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** The number of lines so far: where a later wait may begin. */
  get mark(): number {
    return this.lines.length;
  }

  /**
   * The first result that `match` has for a line at or behind `from`. @throws when it ends first.
   */
  waitFor<T>(what: string, match: (line: string) => T | undefined | false, from = 0): Promise<T> {
    const found = new Promise<T>((resolve, reject) => {
      const probe = (line: string): boolean => {
        const result = match(line);
        if (result === undefined || result === false) return false;
        this.#listeners.delete(listen);
        resolve(result);
        return true;
      };
      const listen = (line: string): void => void probe(line);
      if (this.lines.slice(from).some(probe)) return;
      this.#listeners.add(listen);
      void this.ended.then((ending) => {
        reject(
          new Error(`${this.name} ended ${JSON.stringify(ending)} before ${what}\n${this.tail()}`),
        );
      });
    });
    return within(found, () => `${what} of ${this.name}\n${this.tail()}`);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** SIGTERM, SIGKILL if that does not help, and its end. */
  async stop(): Promise<Ending> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), KILL_AFTER_MS);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL, and its end. */
  async kill(): Promise<Ending> {
    this.signal('SIGKILL');
    return await this.ended;
  }

  tail(): string {
    return this.lines.slice(-LINES_SHOWN).join('\n');
  }

  #take(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINES_KEPT) throw new Error(`${this.name} floods its log`);
    for (const listen of [...this.#listeners]) listen(line);
  }
}

/** The built command line. */
export const CLI: string = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** The built library. */
export const LIBRARY: string = new URL('../../dist/index.js', import.meta.url).href;

export interface WarrenOptions {
  readonly flags?: readonly string[];
  readonly level?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `warren FLAGS FILE` with its log as JSON lines. */
export function startWarren(
  resources: Resources,
  name: string,
  file: string,
  { flags = [], level = 'info', env: more = {} }: WarrenOptions = {},
): Daemon {
  if (!existsSync(CLI)) throw new Error('dist/cli.js is not there: npm run build');
  const env = { ...process.env, WARREN_LOG: level, WARREN_LOG_FORMAT: 'json', ...more };
  return Daemon.start(resources, name, [process.execPath, CLI, ...flags, file], { env });
}

/** One line of warren's log. */
export interface LogRecord {
  readonly msg: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

export function logRecord(line: string): LogRecord | undefined {
  if (!line.startsWith('{')) return undefined;
  // Written by warren itself; a line that is not JSON fails the test loudly.
  return JSON.parse(line) as LogRecord;
}

/** Matches a log line of this message whose fields have these values. */
export function logLine(
  msg: string,
  fields: Readonly<Record<string, unknown>> = {},
): (line: string) => LogRecord | undefined {
  return (line) => {
    const record = logRecord(line);
    if (record?.msg !== msg) return undefined;
    const isMatch = Object.entries(fields).every(([key, value]) => record[key] === value);
    return isMatch ? record : undefined;
  };
}

/** All records of this message so far. */
export function logRecords(daemon: Daemon, msg: string): LogRecord[] {
  return daemon.lines.map(logLine(msg)).filter((record) => record !== undefined);
}
