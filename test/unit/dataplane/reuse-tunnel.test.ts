/**
 * Two TypeScript engines whose peers reuse channels, with many visitors at once that come and go in every
 * way. Each sends bytes of one value only, so that a byte in a wrong place shows.
 */
import { describe, expect, it } from 'vitest';
import { statsOf } from '../../conformance/control-plane.ts';
import { TYPESCRIPT } from '../../conformance/engines.ts';
import { type Tunnel, World } from '../../conformance/world.ts';
import type { Peer } from '../../helpers/peer.ts';
import { until } from '../../helpers/until.ts';

const AT_ONCE = 24;
const ROUNDS = 12;
const FLOOR = 4;
/** The local service resets a connection that sends these. */
const RESET_ME = 0xff;

type Manner = 'echo' | 'bulk' | 'leaves' | 'is reset';
const MANNERS: readonly Manner[] = ['echo', 'echo', 'bulk', 'leaves', 'is reset', 'echo'];
const LENGTHS: Readonly<Record<Manner, number>> = {
  echo: 2_000,
  bulk: 300_000,
  leaves: 100_000,
  'is reset': 100,
};

/** Sends back what comes, after a look at it; notes visitors that got bytes of another one. */
function serve({ socket }: Peer, strangers: number[]): void {
  let tag: number | undefined;
  socket.on('data', (chunk: Buffer) => {
    tag ??= chunk[0];
    if (!chunk.equals(Buffer.alloc(chunk.length, tag))) strangers.push(tag ?? 0);
    if (tag === RESET_ME) (socket as Peer['raw']).resetAndDestroy();
  });
  socket.pipe(socket);
}

async function visit(tunnel: Tunnel, tag: number, manner: Manner): Promise<void> {
  const visitor = await tunnel.visit();
  const length = LENGTHS[manner];
  await visitor.write(Buffer.alloc(length, manner === 'is reset' ? RESET_ME : tag));
  if (manner === 'is reset') {
    await visitor.over();
    expect(visitor.ended).toBe(false);
    return;
  }
  if (manner === 'leaves') {
    expect(await visitor.read(100)).toEqual(Buffer.alloc(100, tag));
    await visitor.reset();
    return;
  }
  await visitor.end();
  const answer = await visitor.rest();
  expect(answer.equals(Buffer.alloc(length, tag))).toBe(true);
}

describe.each(['tcp', 'noise', 'tls', 'websocket'] as const)('reused channels over %s', (name) => {
  const world = new World(TYPESCRIPT, name, 'reuse');

  it('carry every visitor of many to its end, and no byte to another one', async () => {
    const strangers: number[] = [];
    const local = await world.listener({ serve: (peer) => serve(peer, strangers) });
    const limits = { poolFloor: FLOOR, channelUses: 50 };
    const tunnel = await world.tunnel({ local: local.address, limits });
    const run = async (lane: number): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) {
        const manner = MANNERS[(lane + round) % MANNERS.length] ?? 'echo';
        await visit(tunnel, (lane * ROUNDS + round) % RESET_ME, manner);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_unused, lane) => run(lane)));
    expect(strangers).toEqual([]);

    const [server, client] = [tunnel.server.engine, tunnel.client.engine];
    await until(() => statsOf(server).visitorsOpen + statsOf(client).visitorsOpen === 0, 'the end');
    // Both count the same ends, by what they were, and each visitor once.
    const total = AT_ONCE * ROUNDS;
    const ends = (engine: typeof server) => {
      const { visitor_fin, local_fin, visitor_reset, local_reset } = statsOf(engine).ends;
      return { fin: (visitor_fin ?? 0) + (local_fin ?? 0), visitor_reset, local_reset };
    };
    const sixth = total / MANNERS.length;
    expect(ends(server)).toEqual({ fin: 4 * sixth, visitor_reset: sixth, local_reset: sixth });
    expect(ends(client)).toEqual(ends(server));
    expect([statsOf(server).visitorsTotal, statsOf(client).visitorsTotal]).toEqual([total, total]);
    // That they were reused: far fewer than visitors were opened, and both ends have the same.
    await until(() => statsOf(server).poolReady === statsOf(client).poolReady, 'the same channels');
    expect(statsOf(server).poolReady).toBeLessThanOrEqual(AT_ONCE + 2 * FLOOR);
    expect(tunnel.client.sessions[0]?.reasons).toEqual([]);
  });
});
