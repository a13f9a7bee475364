/** Datagrams: whole, to the right visitor, over several channels, through failures. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/until.ts';
import { endsOf, publicAddress, statsOf } from './control-plane.ts';
import { udpScene } from './udp-scene.ts';
import type { World } from './world.ts';

const SIZES = [
  0, 1, 2, 3, 11, 12, 13, 255, 256, 1_023, 1_024, 1_471, 1_472, 1_473, 2_047, 2_048, 2_049, 4_096,
  9_000, 16_384, 32_767, 32_768, 65_000, 65_506, 65_507,
];

export function udp(world: World): void {
  const echoTunnel = async (options: Parameters<World['tunnel']>[0] = {}) => {
    const local = await world.udpEcho();
    const tunnel = await world.tunnel({ type: 'udp', local: local.address, ...options });
    return { ...tunnel, echo: local, public: await publicAddress(tunnel.exposed) };
  };

  describe('udp', () => {
    it('W31: carries datagrams of every size from 0 to 65507 whole', async () => {
      const { public: to, server, client } = await echoTunnel();
      const visitor = await world.udp();
      const sizes = [...SIZES, ...Array.from({ length: 25 }, () => randomSize())];
      let total = 0;
      for (const size of sizes) {
        const payload = randomBytes(size);
        await visitor.send(payload, to);
        const { payload: back } = await visitor.next(`${size} bytes`);
        expect(back.equals(payload), `${size} bytes`).toBe(true);
        total += size;
      }
      const counts = { bytesIn: total, bytesOut: total, visitorsTotal: 1, datagramsDropped: 0 };
      expect(statsOf(server.engine)).toMatchObject(counts);
      expect(statsOf(client.engine)).toMatchObject(counts);
    });

    it('delivers datagrams that come before the first channel', async () => {
      const scene = await udpScene(world, { udpChannels: 1 });
      const visitor = await world.udp();
      await visitor.send('early', scene.address);
      await visitor.send('', scene.address);
      await until(() => statsOf(scene.server.engine).visitorsTotal === 1, 'the visitor is seen');
      const channel = await scene.channel();
      const [first, second] = [await channel.frame(), await channel.frame()];
      expect(first.payload.toString()).toBe('early');
      expect(second.payload).toHaveLength(0);
      expect(first.from).toEqual(visitor.address);
    });

    it('serves many visitors over several channels, each by its own address', async () => {
      const { public: to, server } = await echoTunnel({ limits: { udpChannels: 4 } });
      await until(() => statsOf(server.engine).poolReady === 4, 'four channels');
      const visitors = await Promise.all(Array.from({ length: 50 }, () => world.udp()));
      for (let round = 0; round < 4; round++) {
        await Promise.all(
          visitors.map(async (visitor, index) => {
            const text = `visitor ${index} round ${round}`;
            await visitor.send(text, to);
            expect((await visitor.next(text)).payload.toString()).toBe(text);
          }),
        );
      }
      expect(statsOf(server.engine).visitorsTotal).toBe(50);
    });

    it('W34: keeps a visitor on one channel, and uses all of them', async () => {
      const scene = await udpScene(world, { udpChannels: 3 });
      const channels = await scene.channels(3);
      const visitors = await Promise.all(Array.from({ length: 40 }, () => world.udp()));
      const seen = new Map<number, Set<number>>();
      for (let round = 0; round < 3; round++) {
        for (const visitor of visitors) await visitor.send('x', scene.address);
        const wanted = visitors.length * (round + 1);
        await until(
          () => channels.reduce((sum, { frames }) => sum + frames.length, 0) === wanted,
          `${wanted} frames`,
        );
      }
      for (const [index, channel] of channels.entries()) {
        expect(channel.frames.length, `channel ${index}`).toBeGreaterThan(0);
        for (const { from } of channel.frames) {
          seen.set(from.port, (seen.get(from.port) ?? new Set()).add(index));
        }
      }
      expect(seen.size).toBe(visitors.length);
      for (const used of seen.values()) expect(used.size).toBe(1);
    });

    it('W25: remembers the most recent visitors only', async () => {
      const limits = { udpChannels: 1, udpSessions: 4 };
      const scene = await udpScene(world, limits);
      const channel = await scene.channel();
      const visitors = await Promise.all(Array.from({ length: 5 }, () => world.udp()));
      for (const visitor of visitors) {
        await visitor.send('x', scene.address);
        await channel.frame();
      }
      const [oldest, ...recent] = visitors;
      const stats = statsOf(scene.server.engine);
      expect(stats).toMatchObject({ visitorsOpen: 4, visitorsTotal: 5 });
      expect(stats.ends.evicted).toBe(1);
      if (oldest !== undefined) await channel.reply(oldest.address, 'gone');
      for (const visitor of recent) await channel.reply(visitor.address, 'here');
      for (const visitor of recent) await visitor.next();
      expect(oldest?.received).toBe(0);
    });

    it('W25: the client keeps a bounded number of local sockets', async () => {
      const limits = { udpChannels: 1, udpSessions: 3 };
      const { public: to, client } = await echoTunnel({ limits });
      for (let index = 0; index < 6; index++) {
        const visitor = await world.udp();
        await visitor.send('x', to);
        await visitor.next();
      }
      expect(statsOf(client.engine)).toMatchObject({ visitorsOpen: 3, visitorsTotal: 6 });
      expect(endsOf(client.engine, 'evicted')).toBe(3);
    });
  });
}

function randomSize(): number {
  return Math.floor(Math.random() * 65_508);
}
