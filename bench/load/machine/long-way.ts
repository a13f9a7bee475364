// A tunnel whose ends are far apart: the client and its service are in a network namespace of their
// own, and each packet takes its time there and back. The load generator carries them (`delay`), so
// no kernel module is needed; all is gone with that process.

import { spawnSync } from 'node:child_process';
import { setPriority } from 'node:os';
import { startService, startSink } from '../generator.ts';
import { isInNamespace, LOOPBACK } from './namespace.ts';
import type { Command } from './process.ts';
import type { Site } from './site.ts';

/** What a packet and its answer take together. */
export const ROUND_TRIP_MS = 20;

const NEAR = { device: 'delay-near', address: '10.77.7.1' };
const FAR = { device: 'delay-far', address: '10.77.7.2' };
/** Packets that wait to be carried: none is to be dropped. */
const QUEUE = 20_000;
/** The network does not wait for those who use it. */
const PRIORITY = -10;

/**
 * Makes the way and starts a sink at its far end.
 *
 * @throws Error where this machine does not allow it.
 */
export async function openLongWay(): Promise<Site> {
  if (!isInNamespace()) throw new Error('needs a network namespace, so root');
  const { pid } = await startService({ command: 'delay', flags: { ms: ROUND_TRIP_MS / 2 } });
  try {
    setPriority(pid, PRIORITY);
  } catch {
    // It may be late then, which is measured with the rest.
  }
  const atClient = ({ file, args, ...rest }: Command): Command => ({
    file: 'nsenter',
    args: [`--net=/proc/${pid}/ns/net`, file, ...args],
    ...rest,
  });
  const shell = (text: string): Command => ({ file: 'sh', args: ['-c', text] });
  run(shell(setup(NEAR)));
  run(atClient(shell(`${LOOPBACK} && ${setup(FAR)}`)));
  const sink = await startSink(atClient);
  return { host: NEAR.address, sink, iperf3Port: undefined, atClient, helpers: [pid] };
}

function setup({ device, address }: typeof NEAR): string {
  const route = `10.77.7.0/30 dev ${device} proto kernel scope link src ${address} congctl cubic`;
  return [
    `ip address add ${address}/30 dev ${device}`,
    `ip link set ${device} txqueuelen ${QUEUE} addrgenmode none up`,
    `ip route replace ${route}`,
  ].join(' && ');
}

function run({ file, args }: Command): void {
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr?.trim() || `${file} failed`);
}
