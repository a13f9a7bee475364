// What a peer is: one way from a visitor to the sink.

import type { Command } from '../machine/process.ts';
import type { Transport } from './transport.ts';

export interface Ports {
  /** The address at which the server accepts its client. */
  readonly host: string;
  readonly control: number;
  readonly tcp: number;
  readonly udp: number;
  readonly sink: number;
}

/** The two processes of a tunnel. */
export interface TunnelKind {
  /** The text of the server's and the client's file. */
  configs(ports: Ports, transport: Transport): { readonly server: string; readonly client: string };
  server(config: string, ports: Ports): Command;
  client(config: string, ports: Ports): Command;
  /** Where the server listens before there is a client. */
  readonly firstPort: 'control' | 'tcp';
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
  /** It is compared over plain TCP only: what it has else is not the same. */
  readonly tcpOnly?: true;
  /** Whether it takes part in the rows of the long way: `yes` when absent. */
  readonly overLongWay?: 'no' | 'only';
  /** Its data channels carry one visitor each, as those of wire v1 do. */
  readonly v1?: true;
  /** The rows it takes part in, by prefix; all when absent. */
  readonly rows?: readonly string[];
}

export interface Missing {
  readonly name: string;
  readonly reason: string;
}
