/** Counters of one service and of the tunnel side, kept where the bytes pass. */
import type { EndReason } from '../engine/reason.ts';
import type { ServiceType } from '../engine/spec.ts';
import type { ServiceStats } from '../engine/stats.ts';

export type ReasonCounts = Partial<Record<EndReason, number>>;

export function countReason(counts: ReasonCounts, reason: EndReason, count = 1): void {
  counts[reason] = (counts[reason] ?? 0) + count;
}

/** What the pool shows of itself in a snapshot. */
export interface PoolLevels {
  readonly ready: number;
  readonly requested: number;
  readonly target: number;
}

const NO_POOL: PoolLevels = { ready: 0, requested: 0, target: 0 };

export class ServiceCounters {
  visitorsOpen = 0;
  visitorsWaiting = 0;
  visitorsTotal = 0;
  bytesIn = 0;
  bytesOut = 0;
  datagramsDropped = 0;
  poolHits = 0;
  poolMisses = 0;
  poolStale = 0;
  readonly ends: ReasonCounts = {};

  end(reason: EndReason, count = 1): void {
    countReason(this.ends, reason, count);
  }

  snapshot(service: string, protocol: ServiceType, pool: PoolLevels = NO_POOL): ServiceStats {
    return {
      service,
      protocol,
      visitorsOpen: this.visitorsOpen,
      visitorsWaiting: this.visitorsWaiting,
      visitorsTotal: this.visitorsTotal,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      datagramsDropped: this.datagramsDropped,
      poolReady: pool.ready,
      poolRequested: pool.requested,
      poolTarget: pool.target,
      poolHits: this.poolHits,
      poolMisses: this.poolMisses,
      poolStale: this.poolStale,
      ends: { ...this.ends },
    };
  }
}
