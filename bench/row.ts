// What a row is: one kind of load, the numbers taken from it, and what it gets to work with.

import type { CpuUse } from './cpu.ts';
import type { LoadResult } from './load.ts';
import type { Memory } from './memory.ts';

/** A load's own numbers, and what both relay processes used meanwhile. */
export interface Loaded {
  readonly numbers: Readonly<Record<string, number>>;
  /** `undefined` for `direct`. */
  readonly cpu: { readonly server: CpuUse; readonly client: CpuUse } | undefined;
}

/** What a row has to work with: one peer's running tunnel. */
export interface Cell {
  readonly tcpAddr: string;
  readonly udpAddr: string;
  /** The sink's own address, for counts that must not cross the tunnel. */
  readonly sinkAddr: string;
  /** False for `direct`: relay costs are then left out. */
  readonly relayed: boolean;
  /** The relays are Node processes: their main thread runs JavaScript. */
  readonly isNode: boolean;
  readonly seconds: number;
  load(
    command: string,
    flags: Readonly<Record<string, string | number>>,
    onLine?: (result: LoadResult) => void,
  ): Promise<Loaded>;
  /** Memory of both relay processes together. */
  memory(): Memory;
}

export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly better: 'more' | 'less';
  /** Printed in the table of Node's threads instead of the row's own. */
  readonly ofThreads?: true;
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** False for memory: a second try would start from what the first has left allocated. */
  readonly repeatable: boolean;
  run(cell: Cell): Promise<Readonly<Record<string, number>>>;
}
