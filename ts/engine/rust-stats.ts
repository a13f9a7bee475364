/** Snapshots of the native engine as the contract has them: reasons as records. */
import type { BindingEngineStats, BindingReasonCount } from './binding.d.ts';
import type { EndReason } from './reason.ts';
import type { EngineStats } from './stats.ts';

export function engineStats(stats: BindingEngineStats): EngineStats {
  return {
    services: stats.services.map((service) => ({ ...service, ends: reasonRecord(service.ends) })),
    unauthenticated: stats.unauthenticated,
    tunnelRejected: reasonRecord(stats.tunnelRejected),
  };
}

function reasonRecord(counts: readonly BindingReasonCount[]): Partial<Record<EndReason, number>> {
  const record: Partial<Record<EndReason, number>> = {};
  for (const { reason, count } of counts) record[reason] = count;
  return record;
}
