// What warren is to reach, and whether a run shows it. Comparisons are between medians of one run.

import { ROUND_TRIP_MS } from '../load/machine/long-way.ts';
import type { TransportName } from '../load/peers/transport.ts';
import { ratio, type Summary } from './stats.ts';

export interface Target {
  /** A row's name. */
  readonly row: string;
  readonly metric: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /**
   * The peers of whose figures the bound multiplies the best; without any the bound is the figure
   * itself. One that is not in the run does not count.
   */
  readonly than?: readonly string[];
  /** The row of those figures, where it is another one. */
  readonly thanRow?: string;
  /** The peer whose figure is judged, where it is not the subject of the run. */
  readonly of?: string;
}

const RIVAL = ['rathole'];
const BARE_RELAY = ['splice-relay'];
/** The same build with `channels = "v1"`. */
const V1 = ['warren (rust, v1)'];
const MUX = ['frp (mux)'];
/** With and without multiplexing: the better mode counts. */
const FRP = ['frp', ...MUX];
const BOTH = [...RIVAL, ...FRP];
const STOCK_CLIENT = 'warren server, rathole client';
const TYPESCRIPT = 'warren (typescript)';

/** Percent of a core. */
const JS_THREAD = 5;
/** Medians of a run's rounds differ by that much for the same program. */
const NOISE = 0.05;
/** One round trip, and what the machine needs besides. */
const FIRST_BYTE_US = ROUND_TRIP_MS * 1000 * 1.25;
/** KB of 1,000 bytes, both ends together. */
const HELD_KB = 3.5;
const BULK_KINDS = ['bulk-up-1', 'bulk-up-8', 'bulk-down-1', 'bulk-down-8'];

function bulkTargets(row: string): Target[] {
  const isSingle = row.endsWith('-1');
  return [
    { row, metric: 'gbit', atLeast: isSingle ? 3.3 : 2.7, than: RIVAL },
    { row, metric: 'gbit', atLeast: 1.8, than: FRP },
    { row, metric: 'gbit', atLeast: 0.9, than: BARE_RELAY },
    { row, metric: 'cpu', atMost: 1 / 5, than: RIVAL },
    { row, metric: 'js', atMost: JS_THREAD },
    { row, metric: 'gbit', atLeast: 1 - NOISE, than: V1 },
    { row, metric: 'cpu', atMost: 1.1, than: V1 },
    { row, metric: 'gbit', atLeast: 0.5, than: FRP, of: TYPESCRIPT },
  ];
}

/** The rival has the same transport. */
function bulkOver(transport: TransportName, atLeast: number): Target[] {
  return BULK_KINDS.map((kind) => ({
    row: `${transport}-${kind}`,
    metric: 'gbit',
    atLeast,
    than: RIVAL,
  }));
}

/** frp encrypts by TLS only. */
function bulkOverFrpTls(transport: TransportName): Target[] {
  return BULK_KINDS.map((kind) => ({
    row: `${transport}-${kind}`,
    metric: 'gbit',
    atLeast: 1.5,
    than: FRP,
    thanRow: `tls-${kind}`,
  }));
}

function visitorsOver(transport: TransportName, atLeast: number): Target {
  return { row: `${transport}-visitors-32`, metric: 'per_second', atLeast, than: RIVAL };
}

function heldTargets(count: string): Target[] {
  const metric = `each${count}`;
  return [
    { row: 'held', metric, atMost: 1 / 10, than: RIVAL },
    { row: 'held', metric, atMost: HELD_KB },
  ];
}

function udpTargets(row: string): Target[] {
  return [
    { row, metric: 'cpu', atMost: 1 / 3, than: RIVAL },
    { row, metric: 'lossPercent', atMost: 1 / 5, than: BOTH },
    { row, metric: 'js', atMost: JS_THREAD },
  ];
}

export const TARGETS: readonly Target[] = [
  ...BULK_KINDS.flatMap(bulkTargets),
  { row: 'pingpong', metric: 'p99_us', atMost: 1, than: RIVAL },
  { row: 'requests', metric: 'per_second', atLeast: 1, than: RIVAL },
  { row: 'http-close', metric: 'per_second', atLeast: 1, than: RIVAL },
  { row: 'http-close', metric: 'per_second', atLeast: 1.8, than: FRP },
  { row: 'latency-close-2000', metric: 'p99_us', atMost: 1, than: BOTH },
  { row: 'latency-keepalive-15000', metric: 'p99_us', atMost: 1, than: BOTH },
  { row: 'visitors-1', metric: 'per_second', atLeast: 1.5, than: RIVAL },
  { row: 'visitors-32', metric: 'per_second', atLeast: 1.3, than: RIVAL },
  { row: 'visitors-32-20ms', metric: 'per_second', atLeast: 2, than: RIVAL },
  { row: 'visitors-32-20ms', metric: 'per_second', atLeast: 1, than: MUX },
  { row: 'visitors-32-20ms', metric: 'per_second', atLeast: 1.5, than: RIVAL, of: STOCK_CLIENT },
  { row: 'first-byte-20ms', metric: 'p50_us', atMost: FIRST_BYTE_US },
  { row: 'paced-visitors', metric: 'js', atMost: JS_THREAD },
  ...['udp-64-50k', 'udp-512-50k', 'udp-1400-50k'].flatMap(udpTargets),
  { row: 'idle', metric: 'private', atMost: 1, than: FRP },
  { row: 'idle', metric: 'privateDirty', atMost: 1, than: FRP },
  ...heldTargets('1k'),
  ...heldTargets('10k'),
  { row: 'held', metric: 'rss10k', atMost: 1, than: BOTH },
  ...bulkOver('noise', 2),
  ...bulkOverFrpTls('noise'),
  visitorsOver('noise', 2.5),
  ...bulkOver('noise-aesgcm', 2),
  visitorsOver('noise-aesgcm', 2.5),
  ...bulkOver('tls', 1.5),
  ...bulkOverFrpTls('tls'),
  visitorsOver('tls', 7),
  ...bulkOver('tls-rsa', 1.5),
  visitorsOver('tls-rsa', 7),
  visitorsOver('tls-both', 7),
  ...bulkOver('websocket', 1.5),
  visitorsOver('websocket', 1.3),
];

export interface Verdict {
  readonly target: Target;
  readonly ours: number | undefined;
  /** Whose figure `theirs` is. */
  readonly against: string | undefined;
  readonly theirs: number | undefined;
  /** Ours over theirs; `undefined` for a target without a rival, and where theirs is zero. */
  readonly ratio: number | undefined;
  /** `undefined`: a figure is missing. */
  readonly met: boolean | undefined;
}

/** Whether `subject`, or whom the target names, meets it. `figure` gives a peer's figure in a row. */
export function judge(
  target: Target,
  subject: string,
  figure: (row: string, metric: string, peer: string) => Summary | undefined,
): Verdict {
  const { row, metric, than, thanRow = row, of = subject, atLeast } = target;
  const ours = figure(row, metric, of);
  const rivals = (than ?? []).flatMap((name) => {
    const theirs = figure(thanRow, metric, name);
    // In a run without its usual subject another build may be judged, and be a rival by its name.
    return theirs === undefined || name === of ? [] : [{ name, theirs }];
  });
  const more = atLeast !== undefined;
  const [best] = rivals.sort((a, b) => (more ? -1 : 1) * (a.theirs.median - b.theirs.median));
  const base = than === undefined ? 1 : best?.theirs.median;
  return {
    target,
    ours: ours?.median,
    against: best?.name,
    theirs: best?.theirs.median,
    ratio: than === undefined ? undefined : ratio(ours, best?.theirs),
    met: ours === undefined || base === undefined ? undefined : holds(target, ours.median, base),
  };
}

/** Multiplied, not divided: nothing lost against nothing lost is met. */
function holds({ atLeast, atMost }: Target, ours: number, base: number): boolean {
  if (atLeast !== undefined && !(ours >= atLeast * base)) return false;
  return atMost === undefined || ours <= atMost * base;
}
