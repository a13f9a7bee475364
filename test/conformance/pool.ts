/** The pool: live channels only, and as many as are needed. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, statsOf } from './control-plane.ts';
import { type ServerScene, untilReady, type World } from './world.ts';

const FLOOR = 8;

export function pool(world: World): void {
  describe('pool', () => {
    it('asks for its floor of channels as soon as a session is attached', async () => {
      const { client, server } = await world.serverScene();
      await client.untilCreates(FLOOR);
      expect(client.creates).toBe(FLOOR);
      expect(statsOf(server.engine)).toMatchObject({ poolRequested: FLOOR, poolTarget: FLOOR });
    });

    it('asks for a replacement of every channel that is put to use', async () => {
      const scene = await filled(world);
      const { client, server, visit } = scene;
      for (let visitors = 1; visitors <= 3; visitors++) {
        await visit();
        await client.untilCreates(FLOOR + visitors);
        await world.channel(client);
        await untilReady(server.rig, FLOOR);
      }
      expect(client.creates).toBe(FLOOR + 3);
      expect(statsOf(server.engine)).toMatchObject({ poolHits: 3, poolMisses: 0 });
    });

    it('W11: replaces an idle channel that got FIN or RST', async () => {
      const { client, server, channels } = await filled(world);
      await first(channels).end();
      await client.untilCreates(FLOOR + 1);
      await channels[1]?.reset();
      await client.untilCreates(FLOOR + 2);
      await until(() => statsOf(server.engine).poolStale === 2, 'two stale channels');
      expect(endsOf(server.engine, 'stale_channel')).toBe(2);
      const failed = await event(server.rig, 'channel_failed');
      expect(failed).toMatchObject({ service: 'service', reason: 'stale_channel' });
      // The server's own side of both is gone as well.
      await first(channels).gone();
    });

    it.each(['FIN', 'RST'] as const)(
      'W11: never hands out a channel that got %s, were it all of them just before a visitor',
      async (how) => {
        const { client, server, channels, visit } = await filled(world);
        await Promise.all(channels.map((peer) => (how === 'FIN' ? peer.end() : peer.reset())));
        const visitor = await visit();
        await visitor.write('hello');
        await client.untilCreates(2 * FLOOR);
        const fresh = await world.channel(client);
        expect((await fresh.read(9)).subarray(4).toString()).toBe('hello');
        await fresh.write('welcome');
        expect((await visitor.read(7)).toString()).toBe('welcome');
        expect(channels.every(({ received }) => received === 0)).toBe(true);
        expect(endsOf(server.engine, 'stale_channel')).toBe(FLOOR);
      },
    );

    it('drops an idle channel that sends before its start, and replaces it', async () => {
      const { client, server, channels, visit } = await filled(world);
      await first(channels).write('?');
      await first(channels).over();
      expect(first(channels).received).toBe(0);
      await client.untilCreates(FLOOR + 1);
      expect(endsOf(server.engine, 'early_data')).toBe(1);
      await visit();
      // Handshakes that run beside each other end in any order: which one is the oldest is open.
      const started = () => channels.slice(1).some(({ received }) => received === 4);
      await until(started, 'the start on another channel');
    });

    it('drops a channel that sends more than its hello at once', async () => {
      const { client, server } = await world.serverScene();
      const peer = world.defer(await client.channel(Buffer.from('?')), (it) => it.destroy());
      await peer.over();
      expect(peer.received).toBe(0);
      expect(statsOf(server.engine).poolReady).toBe(0);
    });

    it('has no ceiling where that is Infinity: a visitor that waits is served', async () => {
      const most = Number.POSITIVE_INFINITY;
      const limits = { poolCeiling: most, reuseCeiling: most };
      const { client, server, visit } = await world.serverScene({ limits });
      await client.untilCreates(FLOOR);
      await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      const channel = await world.channel(client);
      await channel.read(4, 'the start');
      expect(endsOf(server.engine, 'channel_limit')).toBe(0);
    });

    it('W12: asks again for channels that do not come', async () => {
      const { client } = await world.serverScene({ limits: { createTimeoutMs: 120 } });
      await client.untilCreates(2 * FLOOR);
      await client.untilCreates(3 * FLOOR);
    });

    it('W12: a visitor is served although the first requests were lost', async () => {
      const { client, visit } = await world.serverScene({ limits: { createTimeoutMs: 120 } });
      await client.untilCreates(FLOOR);
      const visitor = await visit();
      await client.untilCreates(2 * FLOOR + 1);
      const channel = await world.channel(client);
      await channel.read(4);
      await channel.write('late');
      expect((await visitor.read(4)).toString()).toBe('late');
    });

    it('asks for a channel per waiting visitor', async () => {
      const { client, server, visit } = await world.serverScene();
      await Promise.all(Array.from({ length: 20 }, () => visit()));
      await until(() => statsOf(server.engine).visitorsWaiting === 20, '20 waiting visitors');
      await client.untilCreates(20 + FLOOR);
      await world.channels(client, 20);
      await until(() => statsOf(server.engine).visitorsWaiting === 0, 'all are paired');
      expect(statsOf(server.engine)).toMatchObject({ poolHits: 0, poolMisses: 20 });
    });

    // What is reused comes back by itself: its pool is in reuse-pool.ts.
    it.skipIf(world.isReuse)('grows with demand that emptied it', async () => {
      const { client, server, visit } = await filled(world);
      await Promise.all(Array.from({ length: 20 }, () => visit()));
      await until(() => statsOf(server.engine).visitorsOpen === 20, '20 visitors');
      await until(() => statsOf(server.engine).poolTarget > FLOOR, 'a higher target');
      expect(statsOf(server.engine).poolTarget).toBeLessThanOrEqual(64);
      await client.untilCreates(20 + statsOf(server.engine).poolTarget);
    });

    it('W14: holds no more idle channels than it may', async () => {
      const { client, server } = await world.serverScene({
        limits: { channelsPerService: 10 },
      });
      await world.channels(client, 15);
      await until(() => endsOf(server.engine, 'channel_limit') === 5, 'five are refused');
      expect(statsOf(server.engine).poolReady).toBe(10);
    });

    it('W13: a channel that takes nothing delays no other visitor', async () => {
      const { client, server, visit } = await world.serverScene();
      const stuck = await world.channel(client);
      stuck.socket.pause();
      await untilReady(server.rig, 1);
      const flooding = await visit();
      flooding.socket.write(Buffer.alloc(64 * 1_024 * 1_024));
      await until(() => statsOf(server.engine).bytesIn > 65_536, 'the flood runs');
      const good = await world.channel(client);
      const visitor = await visit();
      await visitor.write('hello');
      expect((await good.read(9)).subarray(4).toString()).toBe('hello');
    });
  });
}

async function filled(world: World): Promise<ServerScene & { channels: Peer[] }> {
  const scene = await world.serverScene();
  await scene.client.untilCreates(FLOOR);
  const channels = await world.channels(scene.client, FLOOR);
  await untilReady(scene.server.rig, FLOOR);
  return { ...scene, channels };
}

function first(peers: readonly Peer[]): Peer {
  const [peer] = peers;
  if (peer === undefined) throw new Error('no peer');
  return peer;
}
