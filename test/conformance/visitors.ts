/**
 * Visitors that wait, leave, are too many, or whose local service does not answer: exact reasons.
 */
import { describe, expect, it } from 'vitest';
import { START_TCP, START_UDP } from '../../ts/protocol/wire.ts';
import { freePort } from '../helpers/process-ports.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, publicAddress, statsOf } from './control-plane.ts';
import type { World } from './world.ts';

export function visitors(world: World): void {
  describe('visitors that wait', () => {
    it('W12: end with pool_timeout when no channel comes in time', async () => {
      const limits = { poolWaitMs: 100 };
      const { server, visit } = await world.serverScene({ limits, accessLog: true });
      const visitor = await visit();
      await visitor.gone();
      expect(endsOf(server.engine, 'pool_timeout')).toBe(1);
      const end = await event(server.rig, 'visitor_end');
      expect(end).toMatchObject({ reason: 'pool_timeout', bytesIn: 0, bytesOut: 0 });
      const refused = await event(server.rig, 'visitor_refused');
      expect(refused).toMatchObject({ service: 'service', reason: 'pool_timeout', count: 1 });
      expect(statsOf(server.engine)).toMatchObject({ visitorsOpen: 0, visitorsWaiting: 0 });
    });

    it('W13: are noticed when they reset', async () => {
      const { server, visit } = await world.serverScene({ accessLog: true });
      const visitor = await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      await visitor.reset();
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_left');
      expect(statsOf(server.engine).visitorsWaiting).toBe(0);
    });

    it('W13: are noticed when they end without having sent anything', async () => {
      const limits = { leaveGraceMs: 50 };
      const { server, visit } = await world.serverScene({ limits, accessLog: true });
      const visitor = await visit();
      await visitor.end();
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_left');
      expect(endsOf(server.engine, 'visitor_left')).toBe(1);
    });

    it('do not cost a channel once they have left', async () => {
      const { server, client, visit } = await world.serverScene();
      const left = await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      await left.reset();
      await until(() => endsOf(server.engine, 'visitor_left') === 1, 'it left');
      const channel = await world.channel(client);
      await until(() => statsOf(server.engine).poolReady === 1, 'the channel is idle');
      expect(channel.received).toBe(0);
    });

    it('W14: are limited in number, and so are visitors in all', async () => {
      const limits = { visitorsPerService: 3, visitorsWaiting: 2 };
      const scene = await world.serverScene({ limits, accessLog: true });
      const { server, client, visit } = scene;
      await world.channel(client);
      await until(() => statsOf(server.engine).poolReady === 1, 'one channel');
      await visit();
      await until(() => statsOf(server.engine).poolReady === 0, 'one visitor is served');
      await visit();
      await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 2, 'two wait');
      const extra = world.attempt(scene.address);
      await extra.gone();
      expect(extra.wasReset).toBe(true);
      expect(endsOf(server.engine, 'visitor_limit')).toBe(1);
      const refused = await event(server.rig, 'visitor_refused');
      expect(refused).toMatchObject({ reason: 'visitor_limit', count: 1 });
    });

    it('have one visitor_end each, also those beyond the limit', async () => {
      const limits = { visitorsWaiting: 0 };
      const { server, address } = await world.serverScene({ limits, accessLog: true });
      await world.attempt(address).gone();
      await event(server.rig, 'visitor_refused');
      const [end] = eventsOf(server.rig, 'visitor_end');
      expect(end).toMatchObject({ reason: 'visitor_limit', bytesIn: 0, bytesOut: 0 });
    });
  });

  describe('the local service', () => {
    it('refuses: the visitor is reset, the reason is local_refused', async () => {
      const local = { host: '127.0.0.1', port: await freePort() };
      const { server, client } = await world.clientScene({ local, accessLog: true });
      await server.create();
      const channel = await server.channel();
      await channel.write(START_TCP);
      await channel.gone();
      expect(channel.wasReset).toBe(true);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('local_refused');
      const refused = await event(client.rig, 'visitor_refused');
      expect(refused.reason).toBe('local_refused');
      expect(refused.error).toMatch(/refused/i);
      expect(endsOf(client.engine, 'local_refused')).toBe(1);
    });

    it('refuses: the visitor sees a RST through the whole tunnel', async () => {
      const local = { host: '127.0.0.1', port: await freePort() };
      const { server, exposed } = await world.tunnel({ local, accessLog: true });
      // It may come before the connect has been told.
      const visitor = world.attempt(await publicAddress(exposed));
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      const told = world.isReuse ? 'local_refused' : 'channel_reset';
      expect((await event(server.rig, 'visitor_end')).reason).toBe(told);
    });

    it('W10: does not answer: local_timeout', async () => {
      const stuck = world.defer(await StuckListener.open(), (it) => it.close());
      const { server, client } = await world.clientScene({
        local: stuck.address,
        limits: { localConnectTimeoutMs: 150 },
        accessLog: true,
      });
      await server.create();
      const channel = await server.channel();
      await channel.write(START_TCP);
      await channel.gone();
      expect(channel.wasReset).toBe(true);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('local_timeout');
    });

    it('cannot be resolved: local_unreachable', async () => {
      const local = { host: 'no-such-name.invalid', port: 1 };
      const { server, client } = await world.clientScene({ local, accessLog: true });
      await server.create();
      const channel = await server.channel();
      await channel.write(START_TCP);
      await channel.gone();
      expect((await event(client.rig, 'visitor_end')).reason).toBe('local_unreachable');
    });

    it('W41: a start for another service type ends the channel with type_mismatch', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      await server.create();
      const channel = await server.channel();
      await channel.write(START_UDP);
      await channel.over();
      const failed = await event(client.rig, 'channel_failed');
      expect(failed.reason).toBe('type_mismatch');
      expect(echo.peers).toHaveLength(0);
    });

    it('an unknown start ends the channel with bad_start', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      await server.create();
      const channel = await server.channel();
      await channel.write(Uint8Array.of(2, 0, 0, 0));
      await channel.over();
      expect((await event(client.rig, 'channel_failed')).reason).toBe('bad_start');
    });

    it('update changes it for visitors from now on; those that run stay', async () => {
      const { pair, visit, client } = await world.tunnel();
      const old = await pair();
      const next = await world.listener();
      client.service.update({ local: next.address, nodelay: false });
      await visit();
      await next.next('the new local service');
      await old.visitor.write('still');
      expect((await old.local.read(5)).toString()).toBe('still');
    });
  });

  describe('access log', () => {
    it('makes no visitor_end when it is off', async () => {
      const { server, client, pair } = await world.tunnel();
      const { visitor, local } = await pair();
      await visitor.end();
      await local.fin();
      await local.end();
      await until(() => endsOf(server.engine, 'visitor_fin') === 1, 'the end on the server');
      await until(() => endsOf(client.engine, 'visitor_fin') === 1, 'the end on the client');
      // The last batch comes at the latest with the end of the engine.
      await server.engine.close({ deadlineMs: 0 });
      await client.engine.close({ deadlineMs: 0 });
      expect(eventsOf(server.rig, 'visitor_end')).toHaveLength(0);
      expect(eventsOf(client.rig, 'visitor_end')).toHaveLength(0);
    });
  });
}
