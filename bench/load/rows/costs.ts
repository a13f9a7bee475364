// CPU time of a load as numbers of a row.

import type { CpuUse } from '../machine/cpu.ts';
import type { Loaded, Metric } from './row.ts';

/** `cpu`, `cpuServer` and `cpuClient`: CPU seconds per `amount` of work; nothing for `direct`. */
export function cpuPer(amount: number, { cpu }: Loaded): Readonly<Record<string, number>> {
  if (cpu === undefined) return {};
  return {
    cpu: (cpu.server.total + cpu.client.total) / amount,
    cpuServer: cpu.server.total / amount,
    cpuClient: cpu.client.total / amount,
  };
}

export function cpuMetrics(unit: string): Metric[] {
  return [
    { key: 'cpu', title: `CPU ${unit}`, better: 'less' },
    { key: 'cpuServer', title: 'server', better: 'less' },
    { key: 'cpuClient', title: 'client', better: 'less' },
  ];
}

export const threadMetrics: readonly Metric[] = [
  { key: 'jsServer', title: 'JS server', better: 'less', ofThreads: true },
  { key: 'jsClient', title: 'JS client', better: 'less', ofThreads: true },
  { key: 'helpersServer', title: 'helpers server', better: 'less', ofThreads: true },
  { key: 'helpersClient', title: 'helpers client', better: 'less', ofThreads: true },
  { key: 'engineServer', title: 'engine server', better: 'less', ofThreads: true },
  { key: 'engineClient', title: 'engine client', better: 'less', ofThreads: true },
];

/**
 * Percent of one core that Node's threads used at each end; `js` is the worse end. The time is the
 * load's own: what start and drain cost counts as load, so this never flatters.
 */
export function threadShares(
  isNode: boolean,
  { numbers, cpu }: Loaded,
): Readonly<Record<string, number>> {
  const { seconds = Number.NaN } = numbers;
  if (!isNode || cpu === undefined) return {};
  const percent = (side: CpuUse, kind: 'main' | 'helpers' | 'engine'): number =>
    (100 * side[kind]) / seconds;
  const [jsServer, jsClient] = [percent(cpu.server, 'main'), percent(cpu.client, 'main')];
  return {
    js: Math.max(jsServer, jsClient),
    jsServer,
    jsClient,
    helpersServer: percent(cpu.server, 'helpers'),
    helpersClient: percent(cpu.client, 'helpers'),
    engineServer: percent(cpu.server, 'engine'),
    engineClient: percent(cpu.client, 'engine'),
  };
}
