/** The signals that end a daemon: the first politely, the second at once. */
import { constants } from 'node:os';
import type { Log } from '../log.ts';
import { EXIT_SIGNAL_BASE } from './exit-codes.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** The second signal ends at once; a log that nobody reads may hold it up this long. */
const FLUSH_MS = 200;

export type StopSignal = (typeof STOP_SIGNALS)[number];

/**
 * Resolves with the first stop signal. From now on signals no longer end the process by themselves.
 */
export function stopSignal(log: Log): Promise<StopSignal> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = (signal: StopSignal): void => {
      if (isStopping) {
        void endNow(log, signal);
        return;
      }
      isStopping = true;
      resolve(signal);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  });
}

async function endNow(log: Log, signal: StopSignal): Promise<void> {
  log.warn({ signal }, 'second signal: ending at once');
  if (!(await log.flush(FLUSH_MS))) endBy(signal);
  process.exit(EXIT_SIGNAL_BASE + constants.signals[signal]);
}

/**
 * Ends this process as the signal would have. For when nobody reads the log: Node's own exit waits
 * for the thread that is stuck in that write. systemd takes the end by SIGTERM for a clean one.
 */
export function endBy(signal: StopSignal): void {
  for (const each of STOP_SIGNALS) process.removeAllListeners(each);
  process.kill(process.pid, signal);
}
