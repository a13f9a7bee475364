// frp as a peer, with and without multiplexing.

import { findProgram } from '../tools/find-program.ts';
import { frpConfigs } from './configs.ts';
import type { Peer } from './peer.ts';
import { notFound, outputOf } from './program.ts';
import { LONG_WAY } from './transport.ts';

/** Where frp's better mode is asked for, and what multiplexing is about. */
const MUX_ROWS = [
  ...['bulk', 'pingpong', 'requests', 'http', 'latency', 'visitors', 'first-byte', 'udp', 'tls'],
  ...['idle', 'held'],
];

export function findFrp(name: string, tcpMux: boolean): Peer | string {
  const server = findProgram('frps', 'WARREN_FRPS');
  const client = findProgram('frpc', 'WARREN_FRPC');
  if (server === undefined || client === undefined) {
    return notFound(
      ['WARREN_FRPS', 'WARREN_FRPC'],
      'set WARREN_FRPS and WARREN_FRPC to the frp binaries or put frps and frpc on PATH',
    );
  }
  return {
    name,
    version: outputOf(server).trim() || 'unknown',
    isWarren: false,
    // Without and with its TLS.
    transports: ['tcp', LONG_WAY, 'tls'],
    ...(tcpMux ? { rows: MUX_ROWS } : {}),
    tunnel: {
      configs: (ports, transport) => frpConfigs(ports, transport, tcpMux),
      server: (config) => ({ file: server, args: ['-c', config] }),
      client: (config) => ({ file: client, args: ['-c', config] }),
      reload: (config) => ({ file: client, args: ['reload', '-c', config] }),
      firstPort: 'control',
    },
  };
}
