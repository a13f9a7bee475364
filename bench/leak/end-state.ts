// What both ends of a tunnel hold at a moment.

import type { Tunnel } from '../load/peers/tunnel.ts';
import { type ProcessState, readProcessState } from './process-state.ts';
import { readTunnelConnections } from './tunnel-connections.ts';

export type End = 'server' | 'client';

export const ENDS: readonly End[] = ['server', 'client'];

export interface EndState extends ProcessState {
  /** Control channels and data channels. */
  readonly connections: number;
}

/** Of the server, then of the client. */
export function readEnds({ pids, tunnelAddr }: Tunnel): EndState[] {
  const connections = readTunnelConnections(Number(tunnelAddr.split(':')[1]));
  return ENDS.flatMap((end, index) => {
    const pid = pids[index];
    if (pid === undefined) return [];
    return [{ ...readProcessState(pid), connections: connections[end] }];
  });
}
