/** What the system holds of a TCP connection that no program has read yet. Linux, IPv4. */
import { readFileSync } from 'node:fs';

export interface TcpQueues {
  /** Sent by `from`, not acknowledged. */
  readonly sending: number;
  /** Arrived at `to`, not read. */
  readonly unread: number;
}

/** Of one direction of a connection within this host; undefined where the system does not tell. */
export function tcpQueues(fromPort: number, toPort: number): TcpQueues | undefined {
  let table: string;
  try {
    table = readFileSync('/proc/net/tcp', 'utf8');
  } catch {
    return undefined;
  }
  const sending = queueOf(table, fromPort, toPort, 'sending');
  const unread = queueOf(table, toPort, fromPort, 'unread');
  return sending === undefined || unread === undefined ? undefined : { sending, unread };
}

function queueOf(
  table: string,
  local: number,
  remote: number,
  which: 'sending' | 'unread',
): number | undefined {
  const [here, there] = [local, remote].map((port) =>
    port.toString(16).toUpperCase().padStart(4, '0'),
  );
  const line = new RegExp(`:${here} [0-9A-F]{8}:${there} [0-9A-F]{2} ([0-9A-F]+):([0-9A-F]+)`);
  const found = line.exec(table)?.[which === 'sending' ? 1 : 2];
  return found === undefined ? undefined : Number.parseInt(found, 16);
}
