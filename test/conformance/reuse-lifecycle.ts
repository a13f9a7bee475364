/** Drain, sessions that are replaced or end, engines that close: visitors that run go on, none is new. */
import { describe, expect, it } from 'vitest';
import { drainFrame, FRAME, frame } from '../helpers/peer-frames.ts';
import { data, END, PUT_TO_USE, readWord, start } from '../helpers/peer-words.ts';
import { until, within } from '../helpers/until.ts';
import { endsOf, event, publicAddress, sessionEnd, statsOf } from './control-plane.ts';
import { clientWithChannel, finishUse, readAll, serverWithChannel } from './reuse-scenes.ts';
import { refuses } from './sessions.ts';
import { untilReady, type World } from './world.ts';

const LONG = { deadlineMs: 60_000 };
const FLOOD = 32 * 1_024 * 1_024;
/** More than may lie before an ABORT. */
const BEYOND = 2 * 65_536;

export function reuseLifecycle(world: World): void {
  describe('drain', () => {
    it('of a server ends the session, lets its visitor finish, and opens no channel any more', async () => {
      const { channel, server, client, local } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      await server.control.write(
        Buffer.concat([drainFrame(), frame(FRAME.channels, Buffer.of(1, 0))]),
      );
      expect(await sessionEnd(client.sessions[0] ?? never())).toBe('drain');
      await server.control.over();
      await channel.write(Buffer.concat([data('last'), END]));
      expect((await served.rest()).toString()).toBe('last');
      await served.write('words');
      await served.end();
      expect(await readAll(channel)).toEqual({ bytes: Buffer.from('words'), end: 'end' });
      await channel.over();
      expect(server.channels).toHaveLength(1);
    });

    it('of a client ends the session, and its visitor finishes', async () => {
      const { channel, client, server, exposed, visit, address } = await serverWithChannel(world, {
        limits: { poolFloor: 2 },
      });
      const used = await world.rawChannel(client);
      await untilReady(server.rig, 2);
      const visitor = await visit();
      await used.read(4);
      await readWord(used);
      await client.control.write(drainFrame(5_000));
      expect(await sessionEnd(exposed.sessions[0] ?? never())).toBe('drain');
      await until(() => refuses(address), 'no visitor is taken any more');
      await channel.over();
      expect(channel.received).toBe(0);
      await finishUse(used, visitor, 'last words');
      await used.over();
    });

    it('is said by a server that closes; its visitor finishes, the channel ends with it', async () => {
      const { channel, client, server, visit, address } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      const closing = server.engine.close(LONG);
      await until(() => client.drains === 1, 'the goodbye');
      await client.control.over();
      expect(await refuses(address)).toBe(true);
      await finishUse(channel, visitor, 'last words');
      await channel.over();
      await within(closing, 'the close');
    });

    it('is said by a server whose service is closed', async () => {
      const { client, exposed } = await serverWithChannel(world);
      await exposed.service.close({ deadlineMs: 0 });
      await until(() => client.drains === 1, 'the goodbye');
      await client.control.fin();
      expect(exposed.sessions[0]?.reasons).toEqual(['service_closed']);
    });

    it('is said by a client that closes; its visitor finishes, the channel ends with it', async () => {
      const { channel, server, client, local } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      const closing = client.engine.close(LONG);
      await until(() => server.frames.some(({ type }) => type === FRAME.drain), 'the goodbye');
      await server.control.over();
      expect(client.sessions[0]?.reasons).toEqual(['drain']);
      await channel.write(Buffer.concat([data('last'), END]));
      expect((await served.rest()).toString()).toBe('last');
      await served.end();
      expect(await readWord(channel)).toEqual({ word: 'end' });
      await channel.over();
      await within(closing, 'the close');
    });

    it('between two engines: the client hears drain, whichever of them stops', async () => {
      for (const who of ['server', 'client'] as const) {
        const { server, client, exposed, pair } = await world.tunnel();
        const { visitor, local } = await pair();
        const closing = (who === 'server' ? server : client).engine.close(LONG);
        expect(await sessionEnd(exposed.sessions[0] ?? never())).toBe('drain');
        expect(await sessionEnd(client.sessions[0] ?? never())).toBe('drain');
        await visitor.write('last words');
        expect((await local.read(10)).toString()).toBe('last words');
        await visitor.end();
        await local.fin();
        await local.end();
        await visitor.fin();
        await within(closing, 'the close');
      }
    });

    it('at its deadline ends visitors at both ends with drain', async () => {
      for (const who of ['server', 'client'] as const) {
        const { server, client, pair } = await world.tunnel({ accessLog: true });
        const { visitor, local } = await pair();
        await visitor.write('x');
        await local.read(1);
        await within(
          (who === 'server' ? server : client).engine.close({ deadlineMs: 60 }),
          'close',
        );
        await Promise.all([visitor.gone(), local.gone()]);
        expect(visitor.wasReset && local.wasReset).toBe(true);
        expect((await event(server.rig, 'visitor_end')).reason).toBe('drain');
        expect((await event(client.rig, 'visitor_end')).reason).toBe('drain');
      }
    });
  });

  describe('a channel that is settling', () => {
    const limits = { channelSettleMs: 60_000 };

    const ends = ['close', 'destroy'] as const;
    it.each(ends)('does not keep a server from its end by %s', async (how) => {
      const { channel, server, visit } = await serverWithChannel(world, { limits });
      const visitor = await visit({ paused: true });
      await channel.read(4);
      await readWord(channel);
      channel.socket.pause();
      visitor.socket.write(Buffer.alloc(FLOOD));
      channel.socket.write(data(Buffer.alloc(FLOOD)));
      const isStuck = (): boolean => {
        const { bytesIn, bytesOut } = statsOf(server.engine);
        return bytesIn > BEYOND && bytesOut > BEYOND;
      };
      await until(isStuck, 'bytes are under way');
      if (how === 'destroy') server.engine.destroy();
      await within(server.engine.close({ deadlineMs: 60 }), 'the close', 4_000);
    });

    it.each(ends)('whose peer does not answer keeps no server from its end by %s', async (how) => {
      const { channel, server, visit } = await serverWithChannel(world, { limits });
      await visit();
      await channel.read(4);
      await readWord(channel);
      if (how === 'destroy') server.engine.destroy();
      await within(server.engine.close({ deadlineMs: 60 }), 'the close', 4_000);
    });

    it.each(ends)('whose peer does not answer keeps no client from its end by %s', async (how) => {
      const { channel, client, local } = await clientWithChannel(world, { limits });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      await local.next();
      if (how === 'destroy') client.engine.destroy();
      await within(client.engine.close({ deadlineMs: 60 }), 'the close', 4_000);
    });

    it.each(ends)('does not keep a client from its end by %s', async (how) => {
      const local = await world.listener({ paused: true });
      const { channel, client } = await clientWithChannel(world, { local, limits });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      channel.socket.pause();
      served.socket.write(Buffer.alloc(FLOOD));
      channel.socket.write(data(Buffer.alloc(FLOOD)));
      const isStuck = (): boolean => {
        const { bytesIn, bytesOut } = statsOf(client.engine);
        return bytesIn > BEYOND && bytesOut > BEYOND;
      };
      await until(isStuck, 'bytes are under way');
      if (how === 'destroy') client.engine.destroy();
      await within(client.engine.close({ deadlineMs: 60 }), 'the close', 4_000);
    });
  });

  describe('a session that is replaced', () => {
    it('keeps the channel of its visitor, which is closed after that use and not used again', async () => {
      const { channel, server, visit } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      const next = await world.scriptedClient(server);
      const fresh = await world.rawChannel(next);
      await untilReady(server.rig, 1);
      await finishUse(channel, visitor, 'old');
      await channel.over();
      const other = await visit();
      await fresh.read(4);
      // Numbers are those of a session.
      expect(await readWord(fresh)).toMatchObject({ word: 'start', visitor: 1n });
      await finishUse(fresh, other, 'new');
    });

    it('on a client closes its channels after their uses, and those that wait after a grace', async () => {
      const { channel, server, client, local } = await clientWithChannel(world, {
        limits: { orphanGraceMs: 80 },
      });
      await server.create();
      const waits = await server.rawChannel();
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      await client.connect(server.address);
      expect(await sessionEnd(client.sessions[0] ?? never())).toBe('replaced');
      await waits.over();
      await channel.write(Buffer.concat([data('old'), END]));
      expect((await served.rest()).toString()).toBe('old');
      await served.end();
      expect(await readWord(channel)).toEqual({ word: 'end' });
      await channel.over();
      expect(client.sessions[1]?.reasons).toEqual([]);
    });

    it('between two engines costs no visitor anything', async () => {
      const { server, client, pair } = await world.tunnel({ limits: { poolFloor: 2 } });
      const running = [await pair(), await pair()];
      for (let round = 0; round < 3; round++) {
        await client.connect(server.address);
        const { visitor, local } = await pair();
        await visitor.write('new');
        await visitor.end();
        expect((await local.rest()).toString()).toBe('new');
        await local.end();
        await visitor.fin();
        for (const [at, { visitor: old, local: there }] of running.entries()) {
          await old.write(`${round} ${at}`);
          expect((await there.read(3)).toString()).toBe(`${round} ${at}`);
        }
      }
      for (const { visitor, local } of running) {
        await visitor.end();
        await local.fin();
        await local.end();
        await visitor.fin();
      }
      await until(() => endsOf(server.engine, 'visitor_fin') === 5, 'all have ended');
    });
  });

  describe('a service that is destroyed', () => {
    it('ends its visitors at both ends and frees its address', async () => {
      const { exposed, server, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      const address = await publicAddress(exposed);
      exposed.service.destroy();
      await Promise.all([visitor.gone(), local.gone()]);
      expect(visitor.wasReset && local.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('destroyed');
      await until(() => refuses(address), 'the address is free');
    });
  });
}

function never(): never {
  throw new Error('no session');
}
