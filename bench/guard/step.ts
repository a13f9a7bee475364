// One step of making a copy: a program that runs for seconds or minutes, says nothing of interest
// unless it fails, and ends with this process.

import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

export interface Step {
  readonly title: string;
  readonly command: readonly [string, ...string[]];
}

export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Gets all that the program prints. */
  readonly log: string;
}

const LAST_LINES = 20;
const KEPT_LETTERS = 20_000;
const LINE_LETTERS = 70;
/** Somebody who waits for minutes wants to see that it goes on. */
const SIGN_EVERY_MS = 30_000;

export function say(line: string): void {
  process.stderr.write(`guard: ${line}\n`);
}

/** Minutes and seconds since then. */
export function since(began: number): string {
  const seconds = Math.round((performance.now() - began) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/**
 * Runs a step to its end.
 *
 * @throws Error with the program's last lines when it fails.
 */
export async function runStep({ title, command }: Step, place: Place): Promise<void> {
  const { cwd, env, log } = place;
  const [file, ...args] = command;
  const began = performance.now();
  let output = '';
  const keep = (bytes: Buffer): void => {
    appendFileSync(log, bytes);
    output = (output + String(bytes)).slice(-KEPT_LETTERS);
  };
  // A group of its own: npm's death would leave cargo behind.
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const killGroup = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  };
  // Before its files are removed.
  process.prependOnceListener('exit', killGroup);
  const sign = setInterval(() => {
    const last = lines(output).at(-1) ?? 'still at it';
    say(`  ${since(began)} ${last.trim().slice(0, LINE_LETTERS)}`);
  }, SIGN_EVERY_MS);
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => resolve(status ?? signal));
    });
    if (code !== 0) throw failure(`${title}: ${command.join(' ')} ended with ${code}`, output, log);
  } finally {
    clearInterval(sign);
    process.removeListener('exit', killGroup);
  }
}

function failure(what: string, output: string, log: string): Error {
  const last = lines(output).slice(-LAST_LINES);
  return new Error([`${what}; its last lines, all of ${log}:`, ...last].join('\n  '));
}

function lines(output: string): string[] {
  return output.split('\n').filter((line) => line.trim() !== '');
}
