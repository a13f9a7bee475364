// All rows, and which of them share freshly started processes.

import { held, idle, slow } from './memory-rows.ts';
import type { Row } from './row.ts';
import { bulk, burst, pacedVisitors, pingpong, requests, udp, visitors } from './traffic-rows.ts';

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

const STAGES: readonly Stage[] = [
  { first: [idle, held], shuffled: [], settleMs: COLLECTED_MS },
  {
    first: [slow],
    shuffled: [
      bulk('up', 1),
      bulk('up', 8),
      bulk('down', 1),
      bulk('down', 8),
      pingpong,
      requests,
      visitors(1),
      visitors(32),
      pacedVisitors,
      burst,
      udp,
    ],
    settleMs: STARTED_MS,
  },
];

/** The order in which rows are printed. */
export const ROWS: readonly Row[] = [...STAGES]
  .reverse()
  .flatMap((stage) => [...stage.shuffled, ...stage.first]);

/** The stages with only the rows that a name picks, by prefix. @throws Error for no match. */
export function selectRows(names: readonly string[]): Stage[] {
  const unknown = names.find((name) => !ROWS.some((row) => row.name.startsWith(name)));
  if (unknown !== undefined) {
    throw new Error(`no row ${unknown}; rows: ${ROWS.map((row) => row.name).join(', ')}`);
  }
  const wanted = (row: Row): boolean =>
    names.length === 0 || names.some((name) => row.name.startsWith(name));
  return STAGES.map((stage) => ({
    ...stage,
    first: stage.first.filter(wanted),
    shuffled: stage.shuffled.filter(wanted),
  })).filter((stage) => stage.first.length + stage.shuffled.length > 0);
}
