// All rows, and which of them share freshly started processes.

import type { Options } from '../options.ts';
import { LONG_WAY, TRANSPORTS, type TransportName } from '../peers/transport.ts';
import { held, idle, slow } from './held.ts';
import { over, type Row, type RowKind } from './row.ts';
import { storm } from './storm.ts';
import {
  bulk,
  burst,
  firstByte,
  pacedVisitors,
  pingpong,
  requests,
  udp,
  visitors,
} from './traffic.ts';

/** Rows that share freshly started processes: memory rows go first and in order. */
export interface Stage {
  readonly first: readonly Row[];
  readonly shuffled: readonly Row[];
  /** How long fresh processes rest before the rows that go first. */
  readonly settleMs: number;
}

/** Lazy loading is over. */
const STARTED_MS = 2000;
/** V8 has given back what the start needed: about 4 MiB a process, 8 to 9 s after it. */
const COLLECTED_MS = 12_000;

const BULK = [bulk('up', 1), bulk('up', 8), bulk('down', 1), bulk('down', 8)];
/** A relay that keeps buffers for every encrypted connection needs a gigabyte for 4,000. */
const HELD_OVER_TRANSPORT = held(1000, 1);

/** What a transport changes: its records the bulk, its handshake the visitors, its buffers memory. */
const KINDS = [...BULK, pingpong, visitors(1), visitors(32), storm, HELD_OVER_TRANSPORT];
/** Variants of a transport; a quick run takes only the rows in which they differ from it. */
const DIFFERENT: Readonly<Partial<Record<TransportName, readonly string[]>>> = {
  'noise-aesgcm': ['bulk-up-1', 'bulk-down-1'],
  'tls-rsa': ['visitors-32'],
  'tls-both': ['visitors-32'],
};

const OVER_TRANSPORTS: readonly Row[] = TRANSPORTS.filter(
  (name) => name !== 'tcp' && name !== LONG_WAY,
).flatMap((transport) => KINDS.map((kind) => over(transport, kind)));
const isHeld = ({ kind }: Row): boolean => kind === HELD_OVER_TRANSPORT.name;

const plain = (...kinds: readonly RowKind[]): Row[] => kinds.map((kind) => over('tcp', kind));

const STAGES: readonly Stage[] = [
  {
    first: [...plain(idle, held(2000, 2)), ...OVER_TRANSPORTS.filter(isHeld)],
    shuffled: [],
    settleMs: COLLECTED_MS,
  },
  {
    first: plain(slow),
    shuffled: [
      ...plain(...BULK, pingpong, requests, visitors(1), visitors(32), pacedVisitors, burst, udp),
      ...[visitors(32), firstByte].map((kind) => over(LONG_WAY, kind)),
      ...OVER_TRANSPORTS.filter((row) => !isHeld(row)),
    ],
    settleMs: STARTED_MS,
  },
];

/** The order in which rows are printed: by transport, memory last. */
export const ROWS: readonly Row[] = TRANSPORTS.flatMap((transport) =>
  [...STAGES]
    .reverse()
    .flatMap((stage) => [...stage.shuffled, ...stage.first])
    .filter((row) => row.transport === transport),
);

/** In every run, or only in one that is not quick or picks it. */
function isUsual({ transport, kind }: Row): boolean {
  return DIFFERENT[transport]?.includes(kind) ?? true;
}

/**
 * The stages with only the rows that the options pick, by prefix. Where they pick transports, a
 * row's name need not say which.
 *
 * @throws Error for a name that picks nothing.
 */
export function selectRows({
  only: names,
  transports,
  quick,
}: Pick<Options, 'only' | 'transports' | 'quick'>): Stage[] {
  const isOver = ({ transport }: Row): boolean =>
    transports.length === 0 || transports.includes(transport);
  const picks = (name: string, { name: whole, kind }: Row): boolean =>
    whole.startsWith(name) || (transports.length > 0 && kind.startsWith(name));
  const rows = ROWS.filter(isOver);
  const unknown = names.find((name) => !rows.some((row) => picks(name, row)));
  if (unknown !== undefined) {
    throw new Error(`no row ${unknown}; rows: ${rows.map(({ name }) => name).join(', ')}`);
  }
  const isPicked = (row: Row): boolean =>
    names.length === 0
      ? transports.length > 0 || !quick || isUsual(row)
      : names.some((name) => picks(name, row));
  return keepRows(STAGES, (row) => isOver(row) && isPicked(row));
}

/** The stages with only the wanted rows. */
export function keepRows(stages: readonly Stage[], wanted: (row: Row) => boolean): Stage[] {
  return stages
    .map((stage) => ({
      ...stage,
      first: stage.first.filter(wanted),
      shuffled: stage.shuffled.filter(wanted),
    }))
    .filter((stage) => stage.first.length + stage.shuffled.length > 0);
}
