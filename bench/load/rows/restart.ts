// How long visitors are without their service when the client starts anew.

import { untilAnswered } from '../machine/visit.ts';
import type { RowKind } from './row.ts';

const LIMIT_MS = 20_000;

/** From the signal that ends the old client, which is started anew as soon as it has ended. */
export const restart: RowKind = {
  name: 'restart',
  title: 'first byte after a restart of the client',
  repeatable: true,
  metrics: [
    { key: 'killedMs', title: 'ms after SIGKILL', better: 'less' },
    { key: 'stoppedMs', title: 'ms after SIGTERM', better: 'less' },
  ],
  async run({ control, tcpAddr }) {
    if (control === undefined) return {};
    const port = Number(tcpAddr.split(':')[1]);
    const timed = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<number> => {
      const started = performance.now();
      await control.restartClient(signal);
      await untilAnswered(port, LIMIT_MS);
      return performance.now() - started;
    };
    const killedMs = await timed('SIGKILL');
    return { killedMs, stoppedMs: await timed('SIGTERM') };
  },
};
