// Plain relays of other makers, in two hops as a tunnel has them: what they share. The second hop
// listens, where a tunnel's client dials out: on a loopback address of its own, at the same ports.

import type { Command } from '../machine/process.ts';
import type { Peer, Service } from './peer.ts';

/** The rows that a relay of TCP can take part in; what it has no word for it leaves out. */
const TCP_ROWS = ['bulk', 'requests', 'http', 'visitors-32', 'iperf3'];

/** One listener of a hop; both addresses are on loopback. */
export interface Leg {
  readonly name: string;
  readonly listen: string;
  readonly connect: string;
}

export function plainHops(relay: {
  readonly name: string;
  readonly version: string;
  /** The text of one hop's file. */
  readonly config: (legs: readonly Leg[]) => string;
  readonly command: (config: string) => Command;
}): Peer {
  const { name, version, config, command } = relay;
  return {
    name,
    version,
    isWarren: false,
    transports: ['tcp'],
    rows: TCP_ROWS,
    tunnel: {
      configs: ({ services }) => {
        const tcp = services.filter(({ type }) => type === 'tcp');
        const legs = (hop: (service: Service) => Omit<Leg, 'name'>): Leg[] =>
          tcp.map((service) => ({ name: service.name, ...hop(service) }));
        const atFirst = (port: number): string => `127.0.0.1:${port}`;
        const atSecond = (port: number): string => `127.0.0.2:${port}`;
        return {
          server: config(legs(({ port }) => ({ listen: atFirst(port), connect: atSecond(port) }))),
          client: config(
            legs(({ port, local }) => ({ listen: atSecond(port), connect: atFirst(local) })),
          ),
        };
      },
      server: command,
      client: command,
      firstPort: 'visitors',
    },
  };
}
