// What a row is: one kind of load over one transport, the numbers taken from it, and what it gets
// to work with.

import type { LoadResult } from '../generator.ts';
import type { CpuUse } from '../machine/cpu.ts';
import type { Memory } from '../machine/memory.ts';
import type { Level } from '../options.ts';
import type { Service } from '../peers/peer.ts';
import { LONG_WAY, type Transport, type TransportName } from '../peers/transport.ts';
import type { ToolName } from '../tools/tools.ts';

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
  /** Leads to an iperf3 server; `undefined` for rows that do not need it. */
  readonly iperf3Addr: string | undefined;
  /** Where the server accepts its client, in what transport. */
  readonly tunnelAddr: string;
  readonly transport: Transport;
  /** The sink's own address, for counts that must not cross the tunnel. */
  readonly sinkAddr: string;
  /** False for `direct`: relay costs are then left out. */
  readonly relayed: boolean;
  /** The relays are Node processes: their main thread runs JavaScript. */
  readonly isNode: boolean;
  readonly seconds: number;
  /** Runs a load of the generator. */
  load(
    command: string,
    flags: Readonly<Record<string, string | number>>,
    onLine?: (result: LoadResult) => void,
  ): Promise<Loaded>;
  /** Runs any other load; `run` gives its numbers. */
  measure(run: () => Promise<Readonly<Record<string, number>>>): Promise<Loaded>;
  /** Starts a load that goes on beside others; `end` gives its numbers. */
  background(
    command: string,
    flags: Readonly<Record<string, string | number>>,
  ): Promise<{ end(): Promise<Readonly<Record<string, number>>> }>;
  /** Memory of both relay processes together. */
  memory(): Memory;
  /** RSS of both relay processes together, cheap enough to be read while a load runs. */
  rssKib(): number;
  /** Keeps values over time, seconds from the row's start, beside the row's numbers. */
  keepSeries(name: string, points: Series): void;
  /** The tunnel itself, for rows that change it. Its processes are others afterwards. */
  readonly control: TunnelControl | undefined;
}

export type Series = readonly (readonly [seconds: number, value: number])[];

/** What rows may do with the processes of a tunnel. */
export interface TunnelControl {
  /** Ends the client and starts it anew; comes back when the new process has been started. */
  restartClient(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /**
   * The two processes go over to these services beside their first one, as their operator would
   * do it: the files are changed, and where a peer needs a command, that is given. Comes back when
   * the files are written and the command, if any, has ended.
   */
  setServices(further: readonly Service[]): Promise<void>;
}

export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly better: 'more' | 'less';
  /** Printed in the table of Node's threads instead of the row's own. */
  readonly ofThreads?: true;
}

/** What every row has: memory and context switches of both relay processes together. */
export const PROCESS_METRICS: readonly Metric[] = [
  { key: 'rssPeakMib', title: 'RSS peak MiB', better: 'less' },
  { key: 'rssMib', title: 'RSS after MiB', better: 'less' },
  { key: 'pssMib', title: 'PSS after MiB', better: 'less' },
  { key: 'switches', title: 'context switches/s', better: 'less' },
];

/** What is measured, over whatever transport. */
export interface RowKind {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** False for memory: a second try would start from what the first has left allocated. */
  readonly repeatable: boolean;
  /** A program of others that makes the load; where it is missing, so is the row. */
  readonly needs?: ToolName;
  run(cell: Cell): Promise<Readonly<Record<string, number>>>;
}

/**
 * A kind over one transport, whose name comes before that of the kind; plain TCP is not named, and
 * the long way comes behind.
 */
export interface Row extends RowKind {
  readonly kind: string;
  readonly transport: TransportName;
  /** From which level on it is measured, unless it is picked by its name. */
  readonly level: Level;
}

export function over(transport: TransportName, kind: RowKind, level: Level): Row {
  const { name, title } = kind;
  if (transport === LONG_WAY) {
    const far = { name: `${name}-20ms`, title: `${title}, round trip of 20 ms` };
    return { ...kind, ...far, level, kind: name, transport };
  }
  const isPlain = transport === 'tcp';
  return {
    ...kind,
    name: isPlain ? name : `${transport}-${name}`,
    title: isPlain ? title : `${transport}: ${title}`,
    level,
    kind: name,
    transport,
  };
}
