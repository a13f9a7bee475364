// All rows, and which of them share freshly started processes.

import { type Level, type Options, reaches } from '../options.ts';
import { LONG_WAY, TRANSPORTS, type TransportName } from '../peers/transport.ts';
import { bulk } from './bulk.ts';
import { held } from './held.ts';
import { http } from './http.ts';
import { idle } from './idle.ts';
import { iperf3 } from './iperf3.ts';
import { jitter } from './jitter.ts';
import { latency } from './latency.ts';
import { memoryRun } from './memory-run.ts';
import { pingpong, requests } from './pingpong.ts';
import { reload } from './reload.ts';
import { restart } from './restart.ts';
import { over, type Row, type RowKind } from './row.ts';
import { slow } from './slow.ts';
import { storm } from './storm.ts';
import { udp } from './udp.ts';
import { burst, firstByte, pacedVisitors, visitors } from './visitors.ts';

/** Rows that share freshly started processes: some go first and in order. */
export interface Stage {
  readonly first: readonly Row[];
  readonly shuffled: readonly Row[];
  /** How long fresh processes rest before the rows that go first. */
  readonly settleMs: number;
  /** It has rounds of its own. */
  readonly isMemory?: true;
}

/** Lazy loading is over. */
const STARTED_MS = 2000;
/** V8 has given back what the start needed: about 4 MiB a process, 8 to 9 s after it. */
const COLLECTED_MS = 12_000;

/** The service that they need costs a tunnel memory, so these are measured apart. */
const IPERF3: readonly Row[] = [
  ...plain('usual', iperf3('up', 1)),
  ...plain('full', iperf3('up', 8)),
  ...plain('usual', iperf3('down', 1)),
];
/** Rows that change the tunnel itself; the last one leaves the most behind. */
const CONTROL: readonly Row[] = plain('usual', restart, reload);
/** Loads over plain TCP. */
const TRAFFIC: readonly Row[] = [
  ...plain('quick', bulk('up', 1)),
  ...plain('usual', bulk('down', 1), bulk('up', 8)),
  ...plain('quick', bulk('down', 8)),
  ...plain('usual', bulk('up', 64), bulk('down', 64)),
  ...plain('quick', pingpong),
  ...plain('usual', requests, visitors(1)),
  ...plain('quick', visitors(32)),
  ...plain('usual', pacedVisitors),
  ...plain('full', burst),
  ...plain('usual', http('keepalive')),
  ...plain('quick', http('close')),
  // Half of what frp, the slowest of the compared tunnels, carries on two cores, and more and less.
  ...plain('full', latency('close', 500)),
  ...plain('usual', latency('close', 2000)),
  ...plain('full', latency('close', 4000), latency('keepalive', 5000)),
  ...plain('usual', latency('keepalive', 15_000)),
  ...plain('usual', jitter),
  ...plain('full', udp(64, 10_000)),
  ...plain('usual', udp(64, 50_000), udp(512, 10_000)),
  ...plain('quick', udp(512, 50_000)),
  ...plain('full', udp(1400, 10_000)),
  ...plain('usual', udp(1400, 50_000)),
];

/** A relay that keeps buffers for every encrypted connection needs a gigabyte for 4,000. */
const HELD_OVER_TRANSPORT = held('1k');
/** What a transport changes: its records the bulk, its handshake the visitors, its buffers memory. */
const OVER_TRANSPORTS: readonly { readonly kind: RowKind; readonly level: Level }[] = [
  ...[bulk('up', 1), bulk('down', 8)].map((kind) => ({ kind, level: 'quick' as const })),
  ...[bulk('up', 8), bulk('down', 1), visitors(32)].map((kind) => ({
    kind,
    level: 'usual' as const,
  })),
  ...[pingpong, visitors(1), storm, HELD_OVER_TRANSPORT].map((kind) => ({
    kind,
    level: 'full' as const,
  })),
];
/** The other ones are variants of these. */
const MAIN_TRANSPORTS: readonly TransportName[] = ['noise', 'tls', 'websocket'];

const FAR: readonly Row[] = [visitors(32), firstByte].map((kind) => over(LONG_WAY, kind, 'usual'));
const CARRIED: readonly Row[] = TRANSPORTS.filter(
  (name) => name !== 'tcp' && name !== LONG_WAY,
).flatMap((transport) =>
  OVER_TRANSPORTS.map(({ kind, level }) => {
    const isMain = MAIN_TRANSPORTS.includes(transport);
    const isQuick = level === 'quick' && transport === 'websocket';
    return over(transport, kind, !isMain ? 'full' : isQuick ? 'usual' : level);
  }),
);
const isHeld = ({ kind }: Row): boolean => kind === HELD_OVER_TRANSPORT.name;

const STAGES: readonly Stage[] = [
  {
    first: [...plain('usual', idle, held('1k and 10k')), ...CARRIED.filter(isHeld)],
    shuffled: [],
    settleMs: COLLECTED_MS,
    isMemory: true,
  },
  // What the held connections have left behind would be seen.
  { first: plain('usual', memoryRun), shuffled: [], settleMs: COLLECTED_MS, isMemory: true },
  {
    first: plain('full', slow),
    shuffled: [...TRAFFIC, ...FAR, ...CARRIED.filter((row) => !isHeld(row))],
    settleMs: STARTED_MS,
  },
  { first: [], shuffled: IPERF3, settleMs: 0 },
  { first: CONTROL, shuffled: [], settleMs: 0 },
];

/** The order in which rows are printed: by transport, memory last. */
export const ROWS: readonly Row[] = TRANSPORTS.flatMap((transport) =>
  [...STAGES]
    .reverse()
    .flatMap((stage) => [...stage.shuffled, ...stage.first])
    .filter((row) => row.transport === transport),
);

/**
 * The stages with only the rows that the options pick: by prefix, or else those of the level. Where
 * they pick transports, a row's name need not say which.
 *
 * @throws Error for a name that picks nothing.
 */
export function selectRows({
  only: names,
  transports,
  level,
}: Pick<Options, 'only' | 'transports' | 'level'>): Stage[] {
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
      ? reaches(level, row.level) || (transports.length > 0 && row.transport !== 'tcp')
      : names.some((name) => picks(name, row));
  return keepRows(STAGES, (row) => isOver(row) && isPicked(row));
}

/** The rows of all stages. */
export function rowsOf(stages: readonly Stage[]): Row[] {
  return stages.flatMap(({ first, shuffled }) => [...first, ...shuffled]);
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

function plain(level: Level, ...kinds: readonly RowKind[]): Row[] {
  return kinds.map((kind) => over('tcp', kind, level));
}
