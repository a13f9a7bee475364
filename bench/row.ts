// What a row is: one kind of load, the numbers taken from it, and what it gets to work with.

import type { LoadResult } from './load.ts';
import type { Memory } from './measure.ts';

/** What a row has to work with: one peer's running tunnel. */
export interface Cell {
  readonly tcpAddr: string;
  readonly udpAddr: string;
  /** The sink's own address, for counts that must not cross the tunnel. */
  readonly sinkAddr: string;
  /** False for `direct`: relay costs are then left out. */
  readonly relayed: boolean;
  readonly seconds: number;
  /** Runs a load; `cpuSeconds` is what both relay processes used meanwhile. */
  load(
    command: string,
    flags: Readonly<Record<string, string | number>>,
    onLine?: (result: LoadResult) => void,
  ): Promise<Readonly<Record<string, number>> & { readonly cpuSeconds: number }>;
  /** Memory of both relay processes together. */
  memory(): Memory;
}

export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly better: 'more' | 'less';
}

export interface Row {
  readonly name: string;
  readonly metrics: readonly Metric[];
  /** False for memory: a second try would start from what the first has left allocated. */
  readonly repeatable: boolean;
  run(cell: Cell): Promise<Readonly<Record<string, number>>>;
}
