/** Counters of an engine, as a snapshot. All counts are since the service was opened. */
import type { EndReason } from './reason.ts';

export interface ServiceStats {
  readonly service: string;
  readonly protocol: 'tcp' | 'udp';
  /** Visitors (UDP: sessions) that are served or wait now, and those seen in all. */
  readonly visitorsOpen: number;
  readonly visitorsWaiting: number;
  readonly visitorsTotal: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly datagramsDropped: number;
  /** Idle channels now, channels requested now, and what the pool aims at. */
  readonly poolReady: number;
  readonly poolRequested: number;
  readonly poolTarget: number;
  /** Visitors that found a channel ready, that had to wait, and idle channels that died. */
  readonly poolHits: number;
  readonly poolMisses: number;
  readonly poolStale: number;
  /** Ends of visitors and channels by reason; reasons that did not occur are absent. */
  readonly ends: Readonly<Partial<Record<EndReason, number>>>;
}

export interface EngineStats {
  readonly services: readonly ServiceStats[];
  /** Tunnel connections that are not authenticated yet. */
  readonly unauthenticated: number;
  readonly tunnelRejected: Readonly<Partial<Record<EndReason, number>>>;
}
