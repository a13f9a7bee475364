/** close drains, destroy aborts, and neither leaves anything behind. */
import { describe, expect, it } from 'vitest';
import { HELLO_RULE } from '../../ts/control/routines.ts';
import { openSockets, untilSockets } from '../helpers/sockets.ts';
import { until, within } from '../helpers/until.ts';
import { endsOf, event, sessionEnd, statsOf, TRANSPORT } from './control-plane.ts';
import { refuses } from './sessions.ts';
import type { World } from './world.ts';

const BIND = { host: '127.0.0.1', port: 0 };
const LONG = { deadlineMs: 60_000 };

export function lifecycle(world: World): void {
  describe('close', () => {
    it('W40: takes nothing new, lets running visitors finish, then resolves', async () => {
      const { server, exposed, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      const address = exposed.service.address ?? BIND;
      const tunnel = server.address;
      let closed = false;
      const closing = server.engine.close(LONG).then(() => {
        closed = true;
      });
      await until(() => refuses(address), 'no visitor is taken any more');
      expect(await refuses(tunnel)).toBe(true);
      await visitor.write('last words');
      expect((await local.read(10)).toString()).toBe('last words');
      expect(closed).toBe(false);
      await visitor.end();
      await local.fin();
      await local.end();
      await within(closing, 'the close');
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_fin');
    });

    it('W40: a client lets running visitors finish too', async () => {
      const limits = { orphanGraceMs: 20 };
      const { client, pair } = await world.tunnel({ limits });
      const { visitor, local } = await pair();
      let closed = false;
      const closing = client.engine.close(LONG).then(() => {
        closed = true;
      });
      expect(await sessionEnd(client.sessions[0] ?? never())).toBe('drain');
      await visitor.write('last words');
      expect((await local.read(10)).toString()).toBe('last words');
      expect(closed).toBe(false);
      await visitor.end();
      await local.end();
      await within(closing, 'the close');
    });

    it('W40: aborts what is left at the deadline, with drain', async () => {
      const { server, pair } = await world.tunnel({ accessLog: true });
      const { visitor } = await pair();
      await within(server.engine.close({ deadlineMs: 60 }), 'the close');
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('drain');
    });

    it('W40: aborts at the deadline also what is stuck in back-pressure', async () => {
      const { server, visit, local } = await world.tunnel({ accessLog: true });
      const visitor = await visit({ paused: true });
      const source = await local.next();
      source.socket.write(Buffer.alloc(256 * 1_024 * 1_024));
      await until(() => statsOf(server.engine).bytesOut > 65_536, 'bytes are under way');
      await within(server.engine.close({ deadlineMs: 60 }), 'the close');
      visitor.socket.resume();
      await visitor.over();
      expect(visitor.ended).toBe(false);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('drain');
    });

    it('ends sessions and waiting visitors with drain', async () => {
      const { server, exposed, visit } = await world.serverScene({ accessLog: true });
      const visitor = await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      await server.engine.close({ deadlineMs: 1_000 });
      await visitor.gone();
      expect(exposed.sessions[0]?.reasons).toEqual(['drain']);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('drain');
    });

    it('resolves when no socket is left', async () => {
      const before = openSockets();
      const server = await world.server();
      const exposed = server.expose();
      const udp = server.expose({ name: 'datagrams', type: 'udp' });
      const client = await world.scriptedClient(server);
      const other = await world.scriptedClient(server, { name: 'datagrams' });
      const peers = [...(await world.channels(client, 8)), ...(await world.channels(other, 2))];
      await until(() => statsOf(server.engine).poolReady === 8, 'idle channels');
      await until(() => udp.service.address && exposed.service.address, 'both are bound');
      const silent = await world.connect(server.address);
      const ours = [...peers, silent, client.control, other.control];
      await server.engine.close({ deadlineMs: 0 });
      // Fewer, when one of ours has seen its end already.
      expect(openSockets() ?? 0).toBeLessThanOrEqual((before ?? 0) + ours.length);
      for (const peer of ours) await peer.over();
    });

    it('resolves when no socket is left, a stream that was finished just before included', async () => {
      const before = openSockets();
      const server = await world.server();
      const refused = await world.connect(server.address);
      await refused.write(Buffer.concat([HELLO_RULE.control, Buffer.alloc(64)]));
      await refused.read(37 + 4);
      await within(server.engine.close({ deadlineMs: 0 }), 'the close');
      expect(openSockets() ?? 0).toBeLessThanOrEqual((before ?? 0) + 1);
    });

    it('of a service ends it alone', async () => {
      const { server, exposed, client } = await world.serverScene();
      const other = server.expose({ name: 'other' });
      await world.scriptedClient(server, { name: 'other' });
      const address = exposed.service.address ?? BIND;
      await exposed.service.close({ deadlineMs: 0 });
      expect(exposed.sessions[0]?.reasons).toEqual(['service_closed']);
      expect(await refuses(address)).toBe(true);
      await client.control.over();
      expect(other.sessions[0]?.reasons).toEqual([]);
      expect(server.engine.stats().services.map(({ service }) => service)).toEqual(['other']);
    });

    it('of a client service tells the end of its session before it resolves', async () => {
      const echo = await world.echo();
      const { client } = await world.clientScene({ local: echo.address });
      await client.service.close({ deadlineMs: 0 });
      expect(client.sessions[0]?.reasons).toEqual(['service_closed']);
    });

    it('is idempotent, and destroy makes it resolve', async () => {
      const { server, pair } = await world.tunnel({ accessLog: true });
      const { visitor } = await pair();
      const closing = server.engine.close({ deadlineMs: Number.POSITIVE_INFINITY });
      const again = server.engine.close({ deadlineMs: Number.POSITIVE_INFINITY });
      server.engine.destroy();
      server.engine.destroy();
      await within(Promise.all([closing, again]), 'both closes');
      await visitor.gone();
      expect((await event(server.rig, 'visitor_end')).reason).toBe('destroyed');
    });

    it('destroy of a service aborts its visitors and makes its close resolve', async () => {
      const { exposed, server, pair } = await world.tunnel({ accessLog: true });
      const { visitor } = await pair();
      const closing = exposed.service.close({ deadlineMs: Number.POSITIVE_INFINITY });
      exposed.service.destroy();
      await within(closing, 'the close');
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('destroyed');
    });
  });

  describe('destroy', () => {
    it('aborts everything and leaves nothing', async () => {
      const before = openSockets();
      const { server, client, pair, local } = await world.tunnel();
      const { visitor } = await pair();
      server.engine.destroy();
      client.engine.destroy();
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      await local.close();
      await untilSockets(before, 'after destroy');
    });

    it('leaves nothing of a listen and a dial that were under way', async () => {
      const target = await world.listener();
      const before = openSockets();
      const { engine } = await world.engine();
      const spec = { bind: BIND, transport: TRANSPORT, hello: HELLO_RULE };
      const listening = engine.listen(spec, { control: () => undefined });
      const dialling = engine.dial(
        { remote: target.address, preferIpv6: false, transport: TRANSPORT, proxy: undefined },
        new AbortController().signal,
      );
      engine.destroy();
      await Promise.allSettled([listening, dialling]);
      await until(
        () => target.peers.every(({ ended, closed }) => ended || closed),
        'the dial is gone',
      );
      await target.close();
      await untilSockets(before === undefined ? undefined : before - 1, 'after destroy');
    });
  });

  describe('an engine that has ended', () => {
    it('throws WARREN_E_STATE for whatever would begin something', async () => {
      const { engine } = await world.engine();
      await engine.close({ deadlineMs: 0 });
      const state = expect.objectContaining({ code: 'WARREN_E_STATE' });
      const spec = { bind: BIND, transport: TRANSPORT, hello: HELLO_RULE };
      await expect(engine.listen(spec, { control: () => undefined })).rejects.toEqual(state);
      const dialled = engine.dial(
        { remote: BIND, preferIpv6: false, transport: TRANSPORT, proxy: undefined },
        new AbortController().signal,
      );
      await expect(dialled).rejects.toEqual(state);
      const common = { name: 'x', type: 'tcp' as const, nodelay: undefined };
      expect(() => engine.openServerService({ ...common, bind: BIND })).toThrow(state);
      const client = { ...common, local: BIND, preferIpv6: false };
      expect(() => engine.openClientService(client)).toThrow(state);
      expect(engine.stats().services).toEqual([]);
    });
  });

  describe('two engines in one process', () => {
    it('share nothing', async () => {
      const [one, two] = [await world.tunnel(), await world.tunnel()];
      const [first, second] = [await one.pair(), await two.pair()];
      await first.visitor.write('one');
      expect((await first.local.read(3)).toString()).toBe('one');
      one.server.engine.destroy();
      await first.visitor.gone();
      await second.visitor.write('two');
      expect((await second.local.read(3)).toString()).toBe('two');
      expect(statsOf(two.server.engine)).toMatchObject({ visitorsTotal: 1, bytesIn: 3 });
      expect(endsOf(two.server.engine, 'destroyed')).toBe(0);
    });
  });
}

function never(): never {
  throw new Error('no session');
}
