/**
 * `warren demo`: a whole tunnel on this machine, of real processes, used and measured, then taken
 * down.
 *
 *     visitor (this process) -> warren server -> warren client -> local service
 */
import { constants } from 'node:os';
import { DemoRun } from '../demo/demo-run.ts';
import { Terminal } from '../demo/terminal.ts';
import { packageVersion } from '../package-version.ts';
import type { DemoArguments } from './arguments.ts';
import { EXIT_OK, EXIT_SIGNAL_BASE } from './exit-codes.ts';

/** A step was not right. */
const EXIT_FAILED = 1;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs it; 0 when every step was right, 1 when not, 128+n when signal n stopped it. */
export async function demo({ mebibytes }: DemoArguments): Promise<number> {
  const { stdout, env } = process;
  const write = (text: string): void => void stdout.write(text);
  const isTerminal = stdout.isTTY === true;
  const terminal = new Terminal({ write, isTerminal, columns: stdout.columns, env });
  terminal.title(`warren ${packageVersion()} demo`);
  terminal.dim('visitor → warren server → warren client → local service, all on 127.0.0.1');
  terminal.line();

  // Before there is anything that would have to be cleaned up.
  let stoppedBy: (typeof SIGNALS)[number] | undefined;
  let cancel = (_why: Error): void => undefined;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      stoppedBy ??= signal;
      cancel(new Error(`stopped by ${signal}`));
    });
  }
  const run = new DemoRun(terminal, mebibytes);
  cancel = (why) => run.cancel(why);
  const isRight = await run.run();
  if (stoppedBy !== undefined) return EXIT_SIGNAL_BASE + constants.signals[stoppedBy];
  return isRight ? EXIT_OK : EXIT_FAILED;
}
