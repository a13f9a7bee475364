// The result of a run, as it is written to a file and read from it: whole by itself, so that a
// report can be made of it later, by a program whose rows are others.

import type { Machine } from '../load/machine/machine.ts';
import type { Level } from '../load/options.ts';
import type { Missing } from '../load/peers/peer.ts';
import type { TransportName } from '../load/peers/transport.ts';
import type { Metric } from '../load/rows/row.ts';
import type { Failure, Sample } from '../load/schedule.ts';
import type { Verdict } from './targets.ts';

export interface DocumentRow {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly transport: TransportName;
  readonly metrics: readonly Metric[];
  /** By peer, one sample a round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

export interface DocumentPeer {
  readonly name: string;
  readonly version: string;
  /** The engine that both processes of a warren name in their logs. */
  readonly engine: string | null;
  readonly isWarren: boolean;
}

export interface Document {
  readonly machine: Machine;
  readonly extent: {
    readonly level: Level;
    readonly rounds: number;
    readonly seconds: number;
    readonly transportRounds: number;
    readonly transportSeconds: number;
    readonly memoryRounds: number;
    readonly tries: number;
  };
  readonly peers: readonly DocumentPeer[];
  readonly missing: readonly Missing[];
  /** How long the run took. */
  readonly seconds: number;
  /** Runs during which other programs used more of the machine than they may. */
  readonly disturbed: { readonly cells: number; readonly of: number };
  readonly failures: readonly Failure[];
  readonly rows: readonly DocumentRow[];
  readonly verdicts: readonly Verdict[];
}

/** The peer that is compared with all others: the first build of warren in the run. */
export function subjectOf({ peers }: Pick<Document, 'peers'>): string | undefined {
  return peers.find(({ isWarren }) => isWarren)?.name;
}
