// Congestion control decides bulk numbers on loopback (BBR paces there and hides the relays), so
// everything runs in an own network namespace whose loopback routes carry cubic, where that is
// allowed. Nothing of the machine is changed. Knows nothing of what is measured.

import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { ENDING_SIGNALS } from './process.ts';

const INSIDE = 'WARREN_BENCH_NAMESPACE';
const ROUTE = 'dev lo proto kernel scope host src 127.0.0.1 table local congctl cubic';
/** Loopback up, with cubic. */
export const LOOPBACK: string = [
  'ip link set lo up',
  `ip route replace local 127.0.0.0/8 ${ROUTE}`,
  // The kernel adds this one by itself, and it is the more specific.
  `ip route replace local 127.0.0.1 ${ROUTE}`,
].join(' && ');

/** Whether this process runs in the namespace made here. */
export function isInNamespace(): boolean {
  return process.env[INSIDE] === '1';
}

/**
 * Runs this same command line inside a new network namespace and gives its exit code;
 * `undefined` means: already inside, or not possible here, so go on as is.
 */
export async function enterNamespace(): Promise<number | undefined> {
  if (isInNamespace()) return undefined;
  const trial = spawnSync('unshare', ['-n', 'sh', '-c', LOOPBACK], { stdio: 'ignore' });
  if (trial.status !== 0) return undefined;
  const command = `${LOOPBACK} && exec "$@"`;
  const child = spawn(
    'unshare',
    ['-n', 'sh', '-c', command, 'sh', process.execPath, ...process.argv.slice(1)],
    { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } },
  );
  // The child cleans up and this process only waits. A terminal's Ctrl-C reaches both; twice is
  // harmless.
  for (const signal of ENDING_SIGNALS) {
    const earlier = process.listeners(signal);
    // Never none: a signal that is on its way would be lost.
    process.on(signal, () => child.kill(signal));
    for (const listener of earlier) process.off(signal, listener);
  }
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}
