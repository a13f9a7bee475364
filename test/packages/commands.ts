/** Programs that are run to their end, and what they said. */
import { execFile } from 'node:child_process';

const TIMEOUT_MS = 150_000;

/** A program and its arguments. */
export type Command = readonly [string, ...string[]];

export interface Outcome {
  readonly code: number | string;
  /** Both streams; package managers use either for anything. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export function run([program, ...args]: Command, options: RunOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    const limits = { timeout: TIMEOUT_MS, maxBuffer: 1 << 26 };
    execFile(program, args, { ...options, ...limits }, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error.code ?? error.signal ?? 'killed');
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });
}

/** @throws Error with all that was said when it failed */
export async function succeed(command: Command, options: RunOptions): Promise<string> {
  const { code, output } = await run(command, options);
  if (code !== 0) throw new Error(`${command.join(' ')}: ended with ${code}\n${output}`);
  return output;
}
