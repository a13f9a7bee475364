// The bare relay that shows what the machine allows.

import { LOADER } from '../generator.ts';
import type { Command } from '../machine/process.ts';
import type { Peer } from './peer.ts';

/** Two plain hops, the first where visitors come: no tunnel, so only rows about passing bytes. */
export function spliceRelay(): Peer {
  const hop = (listen: number, connect: number): Command => ({
    file: LOADER,
    args: ['relay', '--listen', `127.0.0.1:${listen}`, '--connect', `127.0.0.1:${connect}`],
  });
  return {
    name: 'splice-relay',
    version: 'bench/generator',
    isWarren: false,
    transports: ['tcp'],
    rows: ['bulk', 'pingpong', 'requests', 'http'],
    tunnel: {
      configs: () => ({ server: '', client: '' }),
      server: (_config, ports) => hop(ports.services[0].port, ports.control),
      client: (_config, ports) => hop(ports.control, ports.services[0].local),
      firstPort: 'visitors',
    },
  };
}
