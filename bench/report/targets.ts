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
  /** The peer whose figure the bound multiplies; without one the bound is the figure itself. */
  readonly than?: string;
  /** The peer whose figure is judged, where it is not the subject of the run. */
  readonly of?: string;
}

export const RIVAL = 'rathole';
const BARE_RELAY = 'splice-relay';
/** The same build with `channels = "v1"`. */
const V1 = 'warren (rust, v1)';
const MUX = 'frp (mux)';
const STOCK_CLIENT = 'warren server, rathole client';

/** Percent of a core. */
const JS_THREAD = 5;
/** Medians of a run's rounds differ by that much for the same program. */
const NOISE = 0.05;
/** One round trip, and what the machine needs besides. */
const FIRST_BYTE_US = ROUND_TRIP_MS * 1000 * 1.25;
/** KB of 1,000 bytes, both ends together. */
const HELD_KB = 3.5;

function bulkTargets(row: string, atLeast: number): Target[] {
  return [
    { row, metric: 'gbit', atLeast, than: RIVAL },
    { row, metric: 'gbit', atLeast: 0.9, than: BARE_RELAY },
    { row, metric: 'cpu', atMost: 1 / 5, than: RIVAL },
    { row, metric: 'js', atMost: JS_THREAD },
    { row, metric: 'gbit', atLeast: 1 - NOISE, than: V1 },
    { row, metric: 'cpu', atMost: 1.1, than: V1 },
  ];
}

/** The rival has the same transport. */
function bulkOver(transport: TransportName, atLeast: number): Target[] {
  return ['bulk-up-1', 'bulk-up-8', 'bulk-down-1', 'bulk-down-8'].map((kind) => ({
    row: `${transport}-${kind}`,
    metric: 'gbit',
    atLeast,
    than: RIVAL,
  }));
}

function visitorsOver(transport: TransportName, atLeast: number): Target {
  return { row: `${transport}-visitors-32`, metric: 'per_second', atLeast, than: RIVAL };
}

function heldTargets(count: number): Target[] {
  const metric = `each${count}`;
  return [
    { row: 'held', metric, atMost: 1 / 10, than: RIVAL },
    { row: 'held', metric, atMost: HELD_KB },
  ];
}

export const TARGETS: readonly Target[] = [
  ...bulkTargets('bulk-up-1', 3.3),
  ...bulkTargets('bulk-up-8', 2.7),
  ...bulkTargets('bulk-down-1', 3.3),
  ...bulkTargets('bulk-down-8', 2.7),
  { row: 'pingpong', metric: 'p99_us', atMost: 1, than: RIVAL },
  { row: 'requests', metric: 'per_second', atLeast: 1, than: RIVAL },
  { row: 'visitors-1', metric: 'per_second', atLeast: 1.5, than: RIVAL },
  { row: 'visitors-32', metric: 'per_second', atLeast: 1.3, than: RIVAL },
  { row: 'visitors-32-20ms', metric: 'per_second', atLeast: 2, than: RIVAL },
  { row: 'visitors-32-20ms', metric: 'per_second', atLeast: 1, than: MUX },
  { row: 'visitors-32-20ms', metric: 'per_second', atLeast: 1.5, than: RIVAL, of: STOCK_CLIENT },
  { row: 'first-byte-20ms', metric: 'p50_us', atMost: FIRST_BYTE_US },
  { row: 'paced-visitors', metric: 'js', atMost: JS_THREAD },
  { row: 'udp-512-50k', metric: 'cpu', atMost: 1 / 3, than: RIVAL },
  { row: 'udp-512-50k', metric: 'lossPercent', atMost: 1 / 5, than: RIVAL },
  { row: 'udp-512-50k', metric: 'js', atMost: JS_THREAD },
  ...heldTargets(2000),
  ...heldTargets(4000),
  { row: 'held', metric: 'rss4000', atMost: 1.1, than: RIVAL },
  ...bulkOver('noise', 2),
  visitorsOver('noise', 2.5),
  ...bulkOver('noise-aesgcm', 2),
  visitorsOver('noise-aesgcm', 2.5),
  ...bulkOver('tls', 1.5),
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
  const { row, metric, than, of = subject } = target;
  const ours = figure(row, metric, of);
  const theirs = than === undefined ? undefined : figure(row, metric, than);
  const base = than === undefined ? 1 : theirs?.median;
  return {
    target,
    ours: ours?.median,
    theirs: theirs?.median,
    ratio: than === undefined ? undefined : ratio(ours, theirs),
    met: ours === undefined || base === undefined ? undefined : holds(target, ours.median, base),
  };
}

/** Multiplied, not divided: nothing lost against nothing lost is met. */
function holds({ atLeast, atMost }: Target, ours: number, base: number): boolean {
  if (atLeast !== undefined && !(ours >= atLeast * base)) return false;
  return atMost === undefined || ours <= atMost * base;
}
