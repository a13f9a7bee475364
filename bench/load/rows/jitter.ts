// An interactive flow, as of somebody who types, while bulk flows run both ways beside it through
// the same tunnel and the same service. The bulk is measured, too: nobody wins by starving it.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cell, Loaded, RowKind } from './row.ts';

/** Messages a second of the interactive flow, there and back. */
const RATE = 100;
const BYTES = 64;
const STREAMS_EACH_WAY = 4;
/** The bulk has filled what there is to fill. */
const RAMP_SECONDS = 0.2;
/** The bulk still runs when the last message is back, which may be late. */
const REST_SECONDS = 1;

export const jitter: RowKind = {
  name: 'jitter',
  title: `64 B ping-pong, ${RATE} /s, beside bulk of ${STREAMS_EACH_WAY} streams each way`,
  repeatable: true,
  metrics: [
    { key: 'p50_us', title: 'p50 us', better: 'less' },
    { key: 'p99_us', title: 'p99 us', better: 'less' },
    { key: 'p999_us', title: 'p99.9 us', better: 'less' },
    { key: 'calm_p99_us', title: 'calm p99 us', better: 'less' },
    { key: 'gbit', title: 'bulk Gbit/s', better: 'more' },
  ],
  async run(cell) {
    const calm = await typing(cell);
    const loads = [
      sleep(RAMP_SECONDS * 1000).then(() => typing(cell)),
      bulk(cell, 'down'),
      bulk(cell, 'up'),
    ] as const;
    // Where one fails, too: the next row must not meet what is left of this one.
    await Promise.allSettled(loads);
    const [busy, down, up] = await Promise.all(loads);
    const { gbit_s: gbitDown = Number.NaN } = down.numbers;
    const { gbit_s: gbitUp = Number.NaN } = up.numbers;
    return {
      ...busy.numbers,
      calm_p50_us: calm.numbers['p50_us'] ?? Number.NaN,
      calm_p99_us: calm.numbers['p99_us'] ?? Number.NaN,
      gbit: gbitDown + gbitUp,
      gbitDown,
      gbitUp,
    };
  },
};

function typing(cell: Cell): Promise<Loaded> {
  const { tcpAddr: connect, seconds } = cell;
  return cell.load('pingpong', { connect, size: BYTES, rate: RATE, seconds });
}

function bulk(cell: Cell, direction: 'up' | 'down'): Promise<Loaded> {
  return cell.load('bulk', {
    connect: cell.tcpAddr,
    query: cell.sinkAddr,
    streams: STREAMS_EACH_WAY,
    direction,
    // Its visitors stand for other machines, which take no processor from the interactive flow.
    priority: 'low',
    seconds: RAMP_SECONDS + cell.seconds + REST_SECONDS,
  });
}
