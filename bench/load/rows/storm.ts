// What an established flow feels of handshakes: the server's tunnel port is met by waves of
// connections from many addresses that do the transport's handshake and leave.

import type { RowKind } from './row.ts';

const AT_ONCE = 200;
/** A wave comes when this has passed since the last one came and that one is over. */
const EVERY_SECONDS = 0.1;
/** Nobody waits for a storm that its runner has forgotten. */
const LIMIT_SECONDS = 60;
const SIZE = 64;

export const storm: RowKind = {
  name: 'storm',
  title: `${SIZE} B ping-pong under storms of ${AT_ONCE} handshakes`,
  repeatable: true,
  metrics: [
    { key: 'calm_p99_us', title: 'p99 us without', better: 'less' },
    { key: 'p50_us', title: 'p50 us', better: 'less' },
    { key: 'p99_us', title: 'p99 us', better: 'less' },
    { key: 'times', title: 'p99 over without', better: 'less' },
    { key: 'handshakes', title: 'handshakes/s', better: 'more' },
  ],
  async run(cell) {
    const { handshake } = cell.transport;
    if (handshake === undefined) throw new Error('this transport has no handshake');
    const flags = { connect: cell.tcpAddr, size: SIZE, seconds: cell.seconds, count: 1_000_000 };
    const { numbers: calm } = await cell.load('pingpong', flags);
    const running = await cell.background('storm', {
      ...handshake,
      connect: cell.tunnelAddr,
      'at-once': AT_ONCE,
      every: EVERY_SECONDS,
      seconds: LIMIT_SECONDS,
    });
    const flow = cell.load('pingpong', flags);
    await Promise.allSettled([flow]);
    const { failures, handshakes, per_second: rate = Number.NaN } = await running.end();
    // A server that refuses them has an easy life.
    if (failures !== 0) throw new Error(`${failures} handshakes failed, ${handshakes} did not`);
    const { p50_us = Number.NaN, p99_us = Number.NaN } = (await flow).numbers;
    const { p99_us: calm_p99_us = Number.NaN } = calm;
    return { calm_p99_us, p50_us, p99_us, times: p99_us / calm_p99_us, handshakes: rate };
  },
};
