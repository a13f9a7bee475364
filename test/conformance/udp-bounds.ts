/** Datagrams at the edges: senders that nobody can answer, replies nobody asked for, sizes. */
import { describe, expect, it } from 'vitest';
import { encodeFrame, encodeFramePrefix } from '../../ts/protocol/udp-frame.ts';
import { START_UDP } from '../../ts/protocol/wire.ts';
import { UdpPeer } from '../helpers/datagrams.ts';
import { sendFromPort } from '../helpers/raw-datagram.ts';
import { until } from '../helpers/until.ts';
import { endsOf, statsOf } from './control-plane.ts';
import { FrameChannel, udpScene } from './udp-scene.ts';
import type { World } from './world.ts';

/** The largest that IPv6 can send and a frame's reader must not be given. */
const IPV6_PAYLOAD_MAX = 65_527;

export function udpBounds(world: World): void {
  describe('udp, at its bounds', () => {
    it('W30: drops and counts a datagram from port 0', async ({ skip }) => {
      const scene = await udpScene(world, { udpChannels: 1 });
      const channel = await scene.channel();
      const refused = await sendFromPort(0, 'nobody', scene.address);
      if (refused !== undefined) {
        process.stderr.write(`skipped: no raw socket (${refused})\n`);
        skip();
      }
      const dropped = () => statsOf(scene.server.engine).datagramsDropped;
      await until(() => dropped() === 1 || channel.frames.length > 0, 'the datagram is seen');
      // What a client would do with it, had it got it.
      for (const { from } of channel.frames) await channel.reply(from, 'answer');
      const visitor = await world.udp();
      await visitor.send('somebody', scene.address);
      await until(() => channel.frames.some(({ from }) => from.port !== 0), 'the next one');
      await channel.reply(visitor.address, 'welcome');
      expect((await visitor.next()).payload.toString()).toBe('welcome');
      expect(dropped()).toBe(1);
      expect(channel.frames).toHaveLength(1);
      expect(statsOf(scene.server.engine).visitorsTotal).toBe(1);
    });

    it('drops and counts a frame for port 0', async () => {
      const scene = await udpScene(world, { udpChannels: 1 });
      const channel = await scene.channel();
      await channel.reply({ host: '127.0.0.1', port: 0 }, 'nowhere');
      const dropped = () => statsOf(scene.server.engine).datagramsDropped;
      await until(() => dropped() === 1, 'it is dropped');
      expect(channel.peer.ended || channel.peer.closed).toBe(false);
    });

    it('W24: replies to a visitor end when it has not been heard for a while', async () => {
      const scene = await udpScene(world, { udpChannels: 1, udpUnheardMs: 200 });
      const channel = await scene.channel();
      const visitor = await world.udp();
      const dropped = () => statsOf(scene.server.engine).datagramsDropped;
      const since = Date.now();
      await visitor.send('once', scene.address);
      await channel.frame();
      // The local service sends and sends: that alone must not keep the way open.
      let sent = 0;
      const flood = (): Promise<void> => {
        sent += 1;
        return channel.reply(visitor.address, 'x');
      };
      await until(async () => {
        await flood();
        return dropped() > 0;
      }, 'a reply is dropped');
      expect(Date.now() - since).toBeGreaterThanOrEqual(190);
      const flooded = sent;
      for (let index = 0; index < 20; index++) await flood();
      const delivered = () => statsOf(scene.server.engine).bytesOut;
      await until(() => delivered() + dropped() === sent, 'all replies are accounted for');
      expect(delivered()).toBeLessThan(flooded);
      await until(() => visitor.received === delivered(), 'those that were sent have come');
      // It is the same visitor when it is heard again, and gets replies again.
      await visitor.send('again', scene.address);
      await channel.frame();
      await channel.reply(visitor.address, 'welcome');
      await until(async () => (await visitor.next()).payload.toString() === 'welcome', 'a reply');
      expect(statsOf(scene.server.engine)).toMatchObject({ visitorsOpen: 1, visitorsTotal: 1 });
    });

    it('W24: a visitor that is heard gets every reply, however long', async () => {
      const scene = await udpScene(world, { udpChannels: 1, udpUnheardMs: 500 });
      const channel = await scene.channel();
      const visitor = await world.udp();
      const enough = Date.now() + 1_500;
      let rounds = 0;
      for (; Date.now() < enough; rounds++) {
        await visitor.send('ping', scene.address);
        await channel.frame();
        await channel.reply(visitor.address, 'pong');
        await visitor.next();
      }
      const counts = { datagramsDropped: 0, visitorsTotal: 1, bytesOut: 4 * rounds };
      expect(statsOf(scene.server.engine)).toMatchObject(counts);
    });

    it('replies keep the session of a silent visitor from the idle end', async () => {
      const limits = { udpChannels: 1, udpIdleMs: 500, udpUnheardMs: 60_000 };
      const scene = await udpScene(world, limits);
      const channel = await scene.channel();
      const visitor = await world.udp();
      await visitor.send('once', scene.address);
      await channel.frame();
      const enough = Date.now() + 1_500;
      while (Date.now() < enough) {
        await channel.reply(visitor.address, 'flow');
        await visitor.next();
      }
      expect(statsOf(scene.server.engine)).toMatchObject({ visitorsOpen: 1, datagramsDropped: 0 });
      expect(endsOf(scene.server.engine, 'idle')).toBe(0);
      await until(() => endsOf(scene.server.engine, 'idle') === 1, 'its end when all is silent');
    });

    it('W31: drops and counts a reply that no datagram to a visitor can hold', async ({ skip }) => {
      const local = await UdpPeer.open({ host: '::1' }).catch(() => undefined);
      if (local === undefined) {
        process.stderr.write('skipped: no IPv6 loopback\n');
        return skip();
      }
      world.defer(local, (it) => it.close());
      const { server, client } = await world.clientScene({ type: 'udp', local: local.address });
      await server.create();
      const peer = await server.channel();
      const visitor = { host: '127.0.0.1', port: 4_000 };
      const prefix = encodeFramePrefix(visitor.host, visitor.port);
      await peer.write(Buffer.concat([START_UDP, encodeFrame(prefix, Buffer.from('ask'))]));
      const { from } = await local.next();
      await local.send(Buffer.alloc(IPV6_PAYLOAD_MAX), from);
      await local.send(Buffer.alloc(65_508), from);
      await local.send(Buffer.alloc(65_507, 1), from);
      const channel = new FrameChannel(peer);
      const first = await channel.frame();
      expect(first.payload).toHaveLength(65_507);
      expect(statsOf(client.engine)).toMatchObject({ datagramsDropped: 2, bytesOut: 65_507 });
      expect(channel.frames).toHaveLength(1);
    });
  });
}
