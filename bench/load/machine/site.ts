// Where the ends of a tunnel are.

import type { Sink } from '../generator.ts';
import type { Command } from './process.ts';

export interface Site {
  /** The address at which the server accepts its client. Visitors come over loopback. */
  readonly host: string;
  /** The service behind the tunnel, on the client's loopback. */
  readonly sink: Sink;
  /** The port of an iperf3 server beside it; with one, every tunnel has a further service. */
  readonly iperf3Port: number | undefined;
  /** The command as it runs where the client is. */
  atClient(command: Command): Command;
  /** Processes that are neither tunnel nor sink, but part of the measurement. */
  readonly helpers: readonly number[];
}

/** Everything on one loopback. */
export function nearSite(
  sink: Sink,
  iperf3?: { readonly port: number; readonly pid: number },
): Site {
  return {
    host: '127.0.0.1',
    sink,
    iperf3Port: iperf3?.port,
    atClient: (command) => command,
    helpers: iperf3 === undefined ? [] : [iperf3.pid],
  };
}
