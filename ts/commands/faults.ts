/** What nobody caught: told, then exit 70. Never silent, and never a daemon in an unknown state. */
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { EXIT_INTERNAL } from './exit-codes.ts';

const FLUSH_MS = 500;

export interface Faults {
  /** From now on a fault goes to this log too. */
  reportTo(log: Log): void;
}

/** Installs the handlers for the rest of the process's life. */
export function handleFaults(): Faults {
  let log: Log | undefined;
  let isEnding = false;
  const end = async (error: unknown): Promise<void> => {
    // A second fault while the first is being told changes nothing.
    if (isEnding) return;
    isEnding = true;
    const stack = error instanceof Error ? error.stack : undefined;
    process.stderr.write(`warren: internal fault, please report it: ${stack ?? String(error)}\n`);
    log?.error({ error: errorText(error), stack }, 'internal fault');
    // Nobody reads the log: Node's own exit would wait for the thread that is stuck in that write.
    if ((await log?.flush(FLUSH_MS)) === false) process.kill(process.pid, 'SIGKILL');
    process.exit(EXIT_INTERNAL);
  };
  process.on('uncaughtException', (error) => void end(error));
  process.on('unhandledRejection', (error) => void end(error));
  return {
    reportTo: (to) => {
      log = to;
    },
  };
}
