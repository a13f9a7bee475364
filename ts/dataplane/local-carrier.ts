/** The local side of a client's service, of either protocol, as the service drives it. */
import type { EndReason } from '../engine/reason.ts';
import type { ClientServiceSpec } from '../engine/spec.ts';
import type { DataplaneContext } from './context.ts';
import type { ServiceCounters } from './counters.ts';
import type { Link } from './link.ts';
import type { Origin } from './origin.ts';

export interface LocalCarrierOptions {
  readonly context: DataplaneContext;
  readonly counters: ServiceCounters;
  /** As it is now: a reload may have changed it. */
  readonly spec: () => ClientServiceSpec;
  /** The last visitor has ended. */
  readonly empty: () => void;
}

/** What a client's service does with channels that were started; one for each protocol. */
export interface LocalCarrier {
  /** Visitors being carried. */
  readonly size: number;
  /**
   * Takes a channel over; `rest` came behind the start command. Reading is stopped. `origin`: whose
   * it is, of a channel that says so.
   */
  carry(link: Link, rest: Uint8Array, origin?: Origin): void;
  /** The service is closing: what has no end of its own ends now. */
  draining(): void;
  destroy(reason: EndReason): void;
}
