/** Datagrams when something fails or ends: what is lost, and what must not be. */
import { describe, expect, it } from 'vitest';
import { freePort } from '../helpers/process-ports.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, publicAddress, statsOf } from './control-plane.ts';
import { udpScene } from './udp-scene.ts';
import type { Tunnel, World } from './world.ts';

export function udpFailures(world: World): void {
  const echoTunnel = async (options: Parameters<World['tunnel']>[0] = {}) => {
    const local = await world.udpEcho();
    const tunnel = await world.tunnel({ type: 'udp', local: local.address, ...options });
    return { ...tunnel, echo: local, public: await publicAddress(tunnel.exposed) };
  };

  describe('udp, when something fails or ends', () => {
    it('asks for a channel in the place of one that ended, and moves its visitors', async () => {
      const scene = await udpScene(world, { udpChannels: 1 });
      const first = await scene.channel();
      const visitor = await world.udp();
      await visitor.send('1', scene.address);
      await first.frame();
      await first.peer.end();
      await scene.client.untilCreates(2);
      const second = await scene.channel();
      await visitor.send('2', scene.address);
      expect((await second.frame()).payload.toString()).toBe('2');
      await second.reply(visitor.address, 'answer');
      expect((await visitor.next()).payload.toString()).toBe('answer');
    });

    it('W24: sends only to visitors it has seen', async () => {
      const scene = await udpScene(world, { udpChannels: 1 });
      const channel = await scene.channel();
      const [visitor, stranger] = [await world.udp(), await world.udp()];
      await visitor.send('hello', scene.address);
      await channel.frame();
      await channel.reply(stranger.address, 'reflected');
      await channel.reply(visitor.address, 'answer');
      expect((await visitor.next()).payload.toString()).toBe('answer');
      // Both were sent by one socket in this order: what the stranger was to get would be here.
      await until(() => statsOf(scene.server.engine).datagramsDropped === 1, 'it was dropped');
      expect(stranger.received).toBe(0);
    });

    it('forgets a visitor after the idle time, on both ends', async () => {
      const limits = { udpIdleMs: 120 };
      const { public: to, server, client } = await echoTunnel({ limits, accessLog: true });
      const visitor = await world.udp();
      await visitor.send('12345', to);
      await visitor.next();
      const address = { host: '127.0.0.1', port: visitor.address.port };
      for (const { rig } of [server, client]) {
        const end = await event(rig, 'visitor_end');
        const counts = { bytesIn: 5, bytesOut: 5, protocol: 'udp', visitor: address };
        expect(end).toMatchObject({ reason: 'idle', service: 'service', ...counts });
        expect(statsOf(rig.engine).visitorsOpen).toBe(0);
      }
      await visitor.send('again', to);
      expect((await visitor.next()).payload.toString()).toBe('again');
      expect(statsOf(server.engine).visitorsTotal).toBe(2);
    });

    it('W29: a visitor gets answers again when the local service is back', async () => {
      const port = await freePort();
      const local = { host: '127.0.0.1', port };
      const { exposed, client } = await world.tunnel({ type: 'udp', local });
      const to = await publicAddress(exposed);
      const visitor = await world.udp();
      for (let index = 0; index < 5; index++) {
        await visitor.send('lost', to);
        await until(() => statsOf(client.engine).bytesIn >= 4 * (index + 1), 'it went out');
      }
      const back = await world.udpEcho({ port });
      await until(async () => {
        await visitor.send('back', to);
        const pause = Date.now();
        await until(() => visitor.waiting > 0 || Date.now() - pause > 50, 'an answer or a while');
        return visitor.waiting > 0;
      }, 'an answer');
      expect(back.received).toBeGreaterThan(0);
      expect(statsOf(client.engine)).toMatchObject({ visitorsOpen: 1, visitorsTotal: 1 });
    });

    it('W30: a malformed frame ends only its channel', async () => {
      const scene = await udpScene(world, { udpChannels: 2 });
      const [bad, good] = await scene.channels(2);
      if (bad === undefined || good === undefined) throw new Error('two channels');
      await bad.peer.write(Uint8Array.of(0));
      await bad.peer.over();
      await until(() => endsOf(scene.server.engine, 'bad_frame') === 1, 'bad_frame');
      const failed = await event(scene.server.rig, 'channel_failed');
      expect(failed.reason).toBe('bad_frame');
      await scene.client.untilCreates(3);
      const visitor = await world.udp();
      await visitor.send('x', scene.address);
      await good.frame();
      expect(scene.exposed.sessions[0]?.reasons).toEqual([]);
    });

    it('W30: a malformed frame from the server ends only its channel on the client', async () => {
      const local = await world.udpEcho();
      const { server, client } = await world.clientScene({ type: 'udp', local: local.address });
      await server.create(2);
      const [bad, good] = [await server.channel(), await server.channel()];
      await bad.write(Uint8Array.of(1, 0, 0, 0, 12, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
      await bad.over();
      const frame = Buffer.from('0c000000007f000001282302006869', 'hex');
      await good.write(Buffer.concat([Uint8Array.of(1, 0, 0, 0), frame]));
      expect(await good.read(frame.length)).toEqual(frame);
      expect(endsOf(client.engine, 'bad_frame')).toBe(1);
      expect(client.sessions[0]?.reasons).toEqual([]);
    });

    it('W32: what a channel does not take is dropped and counted, others go on', async () => {
      const limits = { udpChannels: 2, udpBacklogBytes: 65_536 };
      const scene = await udpScene(world, limits);
      const channels = await scene.channels(2);
      const visitors = await Promise.all(Array.from({ length: 32 }, () => world.udp()));
      const ports = new Map<number, number>();
      for (const visitor of visitors) await visitor.send('x', scene.address);
      await until(
        () => channels.reduce((sum, { frames }) => sum + frames.length, 0) === visitors.length,
        'all are seen',
      );
      for (const [index, { frames }] of channels.entries()) {
        for (const { from } of frames) ports.set(from.port, index);
      }
      const stuck = visitors.find(({ address }) => ports.get(address.port) === 0);
      const free = visitors.find(({ address }) => ports.get(address.port) === 1);
      if (stuck === undefined || free === undefined) throw new Error('all on one channel');
      channels[0]?.peer.socket.pause();
      const big = Buffer.alloc(60_000);
      await until(async () => {
        await stuck.send(big, scene.address);
        return statsOf(scene.server.engine).datagramsDropped > 0;
      }, 'datagrams are dropped');
      const before = channels[1]?.frames.length ?? 0;
      await free.send('free', scene.address);
      await until(() => (channels[1]?.frames.length ?? 0) > before, 'the other channel goes on');
    });

    it('drops what it cannot keep before the first channel, and counts it', async () => {
      const scene = await udpScene(world, { udpChannels: 1, udpPendingBytes: 10_000 });
      const visitor = await world.udp();
      for (let index = 0; index < 20; index++) {
        await visitor.send(Buffer.alloc(1_000), scene.address);
      }
      await until(() => statsOf(scene.server.engine).datagramsDropped >= 10, 'drops');
      expect(statsOf(scene.server.engine).datagramsDropped).toBeLessThan(20);
    });

    it('the end of the session ends its visitors and frees the address', async () => {
      const { public: to, server, client, exposed }: Echo = await echoTunnel({ accessLog: true });
      const visitor = await world.udp();
      await visitor.send('x', to);
      await visitor.next();
      client.service.detach('service_closed');
      expect((await event(server.rig, 'visitor_end')).reason).toBe('session_end');
      await until(() => exposed.service.address === undefined, 'unbound');
      await world.udp({ port: to.port });
      expect(eventsOf(server.rig, 'visitor_end')).toHaveLength(1);
    });

    it('visitors go on over the channels of a newer session', async () => {
      const { public: to, client, server, exposed } = await echoTunnel();
      const visitor = await world.udp();
      await visitor.send('1', to);
      await visitor.next();
      await client.connect(server.address);
      await until(() => exposed.sessions.length === 2, 'the newer session');
      await visitor.send('2', to);
      expect((await visitor.next()).payload.toString()).toBe('2');
    });
  });
}

type Echo = Tunnel & { public: { host: string; port: number } };
