/**
 * A real process of the demo: its output by lines, waiting for one of them, and an end that is
 * certain. Only the last lines are kept.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const LINES_KEPT = 60;
const STOP_MS = 15_000;

export type Env = Readonly<Record<string, string | undefined>>;

interface Waiter<T> {
  readonly match: (line: string) => T | undefined;
  readonly resolve: (found: T) => void;
}

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<Ending>;
  readonly #lines: string[] = [];
  readonly #waiters = new Set<Waiter<unknown>>();
  #ending: Ending | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#process = child;
    this.#ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#ending = { code, signal };
        resolve(this.#ending);
      };
      child.once('exit', end);
      child.once('error', (error) => {
        this.#take(`cannot be started: ${error.message}`);
        end(null, null);
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null)
        createInterface({ input: stream }).on('line', (line) => this.#take(line));
    }
  }

  /** Starts this Node with a script and arguments. Its standard input ends with this process. */
  static start(name: string, args: readonly string[], env: Env): Child {
    const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    return new Child(name, child);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#ending === undefined;
  }

  /** The last lines of its output, both streams together. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /**
   * The first result that `match` has for a line from now on.
   * @throws when the process ends first or `signal` fires.
   */
  async waitForLine<T>(match: (line: string) => T | undefined, signal: AbortSignal): Promise<T> {
    let waiter: Waiter<T> | undefined;
    const found = new Promise<T>((resolve) => {
      waiter = { match, resolve };
      // The cast widens what the waiter is given; `match` and `resolve` stay a pair.
      this.#waiters.add(waiter as Waiter<unknown>);
    });
    const ended = this.#ended.then((ending) => {
      throw new Error(`the ${this.name} ended early, ${endingText(ending)}`);
    });
    try {
      return await Promise.race([found, ended, aborted(signal)]);
    } finally {
      this.#waiters.delete(waiter as Waiter<unknown>);
    }
  }

  /**
   * Asks it to end (SIGTERM, or end of input), insists after a while, and waits until it is gone.
   */
  async stop(how: 'signal' | 'input'): Promise<Ending> {
    if (how === 'input') this.#process.stdin?.end();
    else this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it now. */
  destroy(): void {
    if (this.isRunning) this.#process.kill('SIGKILL');
  }

  #take(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
    for (const { match, resolve } of this.#waiters) {
      const found = match(line);
      if (found !== undefined) resolve(found);
    }
  }
}

/** A process's end in words. */
export function endingText({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

/** Rejects with the signal's reason. */
async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason instanceof Error ? signal.reason : new Error('stopped');
}
