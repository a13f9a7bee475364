/** The public side of a server's service, of either protocol, as the service drives it. */
import type { EndReason } from '../engine/reason.ts';
import type { HostPort, SocketAddress } from '../engine/spec.ts';
import type { PoolLevels, ServiceCounters } from './counters.ts';
import type { Link } from './link.ts';
import type { SessionReuse } from './server-uses.ts';

export interface FrontOptions {
  readonly service: string;
  readonly counters: ServiceCounters;
  /** Asks the session for channels; false while it cannot. */
  readonly request: (count: number) => boolean;
  /** So many more (or fewer) channels are on their way. */
  readonly expect: (change: number) => void;
  /** The command that puts a channel to use. */
  readonly start: () => Uint8Array;
  /** How the session reuses channels; undefined: it does not. */
  readonly reuse: () => SessionReuse | undefined;
  /** Of channels that are put to use from now on; undefined leaves them as they are. */
  readonly nodelay: () => boolean | undefined;
}

export interface ServiceFront {
  readonly address: SocketAddress | undefined;
  readonly levels: PoolLevels;
  /** @throws WARREN_E_BIND */
  bind(to: HostPort): Promise<void>;
  /** Stops taking visitors; resolves when the address is free. Those being served stay. */
  unbind(): Promise<void>;
  /** A session can take requests now. */
  sessionStarted(): void;
  /** Channels of the session that has ended are closed unless they serve a visitor. */
  sessionEnded(): void;
  /** An authenticated data channel has come. */
  channel(link: Link): void;
  /** Ends those that wait for a channel. */
  endWaiting(reason: EndReason): void;
  /** Resolves when no visitor is being served, and no channel is on its way back from one. */
  drained(): Promise<void>;
  destroy(reason: EndReason): void;
}
