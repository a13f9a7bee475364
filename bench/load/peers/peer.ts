// What a peer is: one way from a visitor to the sink.

import type { Command } from '../machine/process.ts';
import type { Transport, TransportName } from './transport.ts';

/** What a tunnel exposes: a port where visitors come, and one where the local service is. */
export interface Service {
  readonly name: string;
  readonly type: 'tcp' | 'udp';
  readonly port: number;
  readonly local: number;
}

export interface Ports {
  /** The address at which the server accepts its client. */
  readonly host: string;
  readonly control: number;
  /**
   * For the client's own interface, where a peer needs one to reload. Absent where no row does that:
   * it costs memory.
   */
  readonly admin?: number;
  /** The first is of type tcp and leads to the sink. */
  readonly services: readonly [Service, ...Service[]];
}

/** The two processes of a tunnel. */
export interface TunnelKind {
  /** The text of the server's and the client's file. */
  configs(ports: Ports, transport: Transport): { readonly server: string; readonly client: string };
  server(config: string, ports: Ports): Command;
  client(config: string, ports: Ports): Command;
  /** Where the server listens before there is a client: for its client, or already for visitors. */
  readonly firstPort: 'control' | 'visitors';
  /**
   * Makes the client read its changed file; absent where both ends see the change themselves. What
   * the server has to know of it, it hears from its client.
   */
  reload?(config: string): Command;
}

export interface Peer {
  readonly name: string;
  readonly version: string;
  /** `undefined` for `direct`. */
  readonly tunnel: TunnelKind | undefined;
  /** A build of warren: it runs on Node, and it can be the subject of the comparison. */
  readonly isWarren: boolean;
  /** The engine that both processes must name in their log. */
  readonly engine?: string;
  /** Those it has in a way that can be compared; all when absent. */
  readonly transports?: readonly TransportName[];
  /** Its data channels carry one visitor each, as those of wire v1 do. */
  readonly v1?: true;
  /** The rows it takes part in, by prefix; all when absent. */
  readonly rows?: readonly string[];
}

export interface Missing {
  readonly name: string;
  readonly reason: string;
}
