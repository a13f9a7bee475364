// How many connections a tunnel has, control channels and data channels together, as each end's
// kernel has them. Read from /proc of this network namespace.

import { readProc } from '../load/machine/proc.ts';

/** What a process holds: not listening, and with an inode, so neither closed nor in TIME_WAIT. */
const LISTENS = '0A';

export interface Connections {
  readonly server: number;
  readonly client: number;
}

/** Those of `port`, where the server accepts its client. */
export function readTunnelConnections(port: number): Connections {
  return countConnections(readProc('/proc/net/tcp'), port);
}

/** @param table Text of /proc/net/tcp. */
export function countConnections(table: string, port: number): Connections {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const counts = { server: 0, client: 0 };
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', remote = '', state, , , , , , inode] = line.trim().split(/ +/);
    if (state === LISTENS || inode === undefined || inode === '0') continue;
    if (local.endsWith(`:${wanted}`)) counts.server += 1;
    if (remote.endsWith(`:${wanted}`)) counts.client += 1;
  }
  return counts;
}
