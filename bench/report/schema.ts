// What a document must look like when it is read from a file.

import * as v from 'valibot';
import { TRANSPORTS } from '../load/peers/transport.ts';
import type { Document } from './document.ts';

const numbers = v.record(v.string(), v.number());
/** JSON leaves out what is undefined. */
const optionalNumber = v.optional(v.number(), () => undefined);
const point = v.tuple([v.number(), v.number()]);

const metric = v.object({
  key: v.string(),
  title: v.string(),
  better: v.picklist(['more', 'less']),
  ofThreads: v.exactOptional(v.literal(true)),
});

const sample = v.object({
  round: v.number(),
  numbers,
  series: v.record(v.string(), v.array(point)),
  others: v.number(),
});

const target = v.object({
  row: v.string(),
  metric: v.string(),
  atLeast: v.exactOptional(v.number()),
  atMost: v.exactOptional(v.number()),
  than: v.exactOptional(v.array(v.string())),
  thanRow: v.exactOptional(v.string()),
  of: v.exactOptional(v.string()),
});

export const documentSchema: v.GenericSchema<unknown, Document> = v.object({
  machine: v.object({
    date: v.pipe(v.string(), v.isoTimestamp('is not a date such as 2026-01-31T12:00:00.000Z')),
    cpu: v.string(),
    cores: v.number(),
    memoryGib: v.number(),
    kernel: v.string(),
    congestion: v.string(),
    congestionSource: v.string(),
    node: v.string(),
    commit: v.string(),
    loadBefore: v.number(),
    tools: v.array(v.object({ name: v.picklist(['iperf3', 'wrk']), version: v.string() })),
  }),
  extent: v.object({
    level: v.picklist(['quick', 'usual', 'full']),
    rounds: v.number(),
    seconds: v.number(),
    transportRounds: v.number(),
    transportSeconds: v.number(),
    memoryRounds: v.number(),
    tries: v.number(),
  }),
  peers: v.array(
    v.object({
      name: v.string(),
      version: v.string(),
      engine: v.nullable(v.string()),
      isWarren: v.boolean(),
    }),
  ),
  missing: v.array(v.object({ name: v.string(), reason: v.string() })),
  seconds: v.number(),
  disturbed: v.object({ cells: v.number(), of: v.number() }),
  failures: v.array(
    v.object({ row: v.string(), peer: v.string(), round: v.number(), message: v.string() }),
  ),
  rows: v.array(
    v.object({
      name: v.string(),
      title: v.string(),
      kind: v.string(),
      transport: v.picklist(TRANSPORTS),
      metrics: v.array(metric),
      samples: v.record(v.string(), v.array(sample)),
    }),
  ),
  verdicts: v.array(
    v.object({
      target,
      ours: optionalNumber,
      against: v.optional(v.string(), () => undefined),
      theirs: optionalNumber,
      ratio: optionalNumber,
      met: v.optional(v.boolean(), () => undefined),
    }),
  ),
});
