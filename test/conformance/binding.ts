/** The public address: failures that are retried, and moves under running visitors. */
import { describe, expect, it } from 'vitest';
import { serverRoutine } from '../../ts/control/routines.ts';
import { freePort } from '../helpers/process-ports.ts';
import { until } from '../helpers/until.ts';
import { event, eventsOf, publicAddress, statsOf } from './control-plane.ts';
import { refuses } from './sessions.ts';
import type { World } from './world.ts';

export function binding(world: World): void {
  describe('public address', () => {
    it('that is in use is reported, retried, and bound when it is free', async () => {
      const taken = await world.listener();
      const server = await world.server({ limits: { bindRetryMs: 30 } });
      const exposed = server.expose({ bind: taken.address });
      const client = await world.scriptedClient(server);
      const failed = await event(server.rig, 'bind_failed');
      expect(failed).toMatchObject({ service: 'service', attempt: 1 });
      expect(failed.address).toBe(`127.0.0.1:${taken.address.port}`);
      expect(failed.error).toContain('EADDRINUSE');
      await event(server.rig, 'bind_failed', ({ attempt }) => attempt >= 2);
      expect(exposed.service.address).toBeUndefined();
      expect(exposed.sessions[0]?.reasons).toEqual([]);
      const { address } = taken;
      await taken.close();
      expect(await publicAddress(exposed)).toEqual(address);
      expect((await event(server.rig, 'bound')).address).toEqual(address);
      await client.untilCreates(8);
    });

    it('of a udp service that is in use is retried too', async () => {
      const taken = await world.udp();
      const server = await world.server({ limits: { bindRetryMs: 30 } });
      const exposed = server.expose({ type: 'udp', bind: taken.address });
      await world.scriptedClient(server);
      await event(server.rig, 'bind_failed', ({ attempt }) => attempt >= 2);
      const { address } = taken;
      await taken.close();
      expect(await publicAddress(exposed)).toEqual(address);
    });

    it('that does not exist on this host is reported as such', async () => {
      const server = await world.server({ limits: { bindRetryMs: 30 } });
      server.expose({ bind: { host: '192.0.2.1', port: 0 } });
      await world.scriptedClient(server);
      expect((await event(server.rig, 'bind_failed')).error).toContain('EADDRNOTAVAIL');
    });

    it('is no longer tried once the session has ended', async () => {
      const taken = await world.listener();
      const server = await world.server({ limits: { bindRetryMs: 20 } });
      const exposed = server.expose({ bind: taken.address });
      const client = await world.scriptedClient(server);
      await event(server.rig, 'bind_failed');
      await client.control.end();
      await until(() => exposed.sessions[0]?.reasons.length === 1, 'the end of the session');
      const { address } = taken;
      await taken.close();
      const since = Date.now();
      await until(() => Date.now() - since > 100, 'several retry intervals');
      expect(exposed.service.address).toBeUndefined();
      expect(await refuses(address)).toBe(true);
      expect(eventsOf(server.rig, 'bound')).toHaveLength(0);
    });

    it('moves by update while visitors stay', async () => {
      const { exposed, server, pair, visit } = await world.tunnel();
      const old = await pair();
      const before = await publicAddress(exposed);
      const port = await freePort();
      exposed.service.update({ bind: { host: '127.0.0.1', port } });
      await until(() => exposed.service.address?.port === port, 'the new address');
      await until(() => refuses(before), 'the old address is closed');
      await old.visitor.write('still');
      expect((await old.local.read(5)).toString()).toBe('still');
      await visit();
      await until(() => statsOf(server.engine).visitorsOpen === 2, 'a visitor at the new address');
      await event(server.rig, 'bound', ({ address }) => address.port === port);
    });

    it('moves to the last of several updates in a row', async () => {
      const { exposed } = await world.tunnel();
      await publicAddress(exposed);
      const ports = [await freePort(), await freePort(), await freePort()];
      for (const port of ports) exposed.service.update({ bind: { host: '127.0.0.1', port } });
      await until(() => exposed.service.address?.port === ports[2], 'the last address');
      for (const port of ports.slice(0, 2)) {
        expect(await refuses({ host: '127.0.0.1', port })).toBe(true);
      }
    });

    it('can be set before a session is attached', async () => {
      const server = await world.server();
      const exposed = server.expose();
      const port = await freePort();
      exposed.service.update({ bind: { host: '127.0.0.1', port } });
      await world.scriptedClient(server);
      expect((await publicAddress(exposed)).port).toBe(port);
    });

    it('visitors that wait stay when it moves', async () => {
      const { exposed, server, client, visit } = await world.serverScene();
      const visitor = await visit();
      await visitor.write('patient');
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      const port = await freePort();
      exposed.service.update({ bind: { host: '127.0.0.1', port } });
      await until(() => exposed.service.address?.port === port, 'the new address');
      const channel = await world.channel(client);
      expect((await channel.read(11)).subarray(4).toString()).toBe('patient');
    });

    it('update of nodelay and routine touches no visitor and no session', async () => {
      const { exposed, server, pair } = await world.tunnel();
      const old = await pair();
      exposed.service.update({
        nodelay: false,
        routine: serverRoutine({ type: 'tcp', heartbeatIntervalMs: 60_000 }),
      });
      exposed.service.update({ nodelay: undefined });
      const next = await pair();
      for (const { visitor, local } of [old, next]) {
        await visitor.write('x');
        expect((await local.read(1)).toString()).toBe('x');
      }
      expect(exposed.sessions[0]?.reasons).toEqual([]);
      await server.engine.close({ deadlineMs: 0 });
      expect(eventsOf(server.rig, 'bound')).toHaveLength(1);
    });
  });
}
