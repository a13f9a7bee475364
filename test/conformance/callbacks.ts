/** When callbacks come, and what calls do on objects that have ended. */
import { describe, expect, it } from 'vitest';
import { clientRoutine, serverRoutine } from '../../ts/control/routines.ts';
import { COMMAND_CREATE } from '../../ts/protocol/wire.ts';
import { until } from '../helpers/until.ts';
import { eventsOf, type SessionRecord, sessionEnd, statsOf } from './control-plane.ts';
import type { World } from './world.ts';

export function callbacks(world: World): void {
  describe('callbacks', () => {
    it('come after the call that causes them, never inside it', async () => {
      const { exposed } = await world.serverScene();
      const session = only(exposed.sessions);
      exposed.service.detach('service_closed');
      expect(session.reasons).toEqual([]);
      expect(await sessionEnd(session)).toBe('service_closed');
    });

    it('tell the end of a session exactly once, whatever else happens to it', async () => {
      const { server, exposed, client } = await world.serverScene();
      const session = only(exposed.sessions);
      exposed.service.detach('service_closed');
      session.control.destroy('internal_error');
      session.control.finish('internal_error');
      exposed.service.detach('drain');
      await client.control.over();
      exposed.service.destroy();
      await server.engine.close({ deadlineMs: 0 });
      expect(session.reasons).toEqual(['service_closed']);
    });

    it('a control plane may end the stream inside any of them', async () => {
      const { exposed, client } = await world.serverScene();
      const session = only(exposed.sessions);
      session.onSurplus = (stream) => {
        stream.destroy('control_data');
        exposed.service.detach('drain');
      };
      await client.control.write('x');
      expect(await sessionEnd(session)).toBe('control_data');
    });

    it('a control plane may resume inside surplus, with a routine that knows the bytes', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      const session = only(client.sessions);
      const unknown = Uint8Array.of(9, 0, 0, 0);
      session.onSurplus = () => {
        client.service.resume({
          ...clientRoutine({ type: 'tcp', sessionKey: session.key, silenceTimeoutMs: 0 }),
          heartbeat: unknown,
        });
      };
      await server.control.write(Buffer.concat([unknown, COMMAND_CREATE, unknown]));
      await server.channel();
      expect(session.surplus).toBe(1);
      expect(session.reasons).toEqual([]);
    });

    it('stats are plain data that does not change afterwards', async () => {
      const { server, pair } = await world.tunnel();
      const before = server.engine.stats();
      const copy = structuredClone(before);
      const { visitor, local } = await pair();
      await visitor.write('x');
      await local.read(1);
      expect(before).toEqual(copy);
      expect(statsOf(server.engine).bytesIn).toBe(1);
    });

    it('events of a service come in the order in which things happened', async () => {
      const { server, pair } = await world.tunnel({ accessLog: true });
      for (let bytes = 1; bytes <= 5; bytes++) {
        const { visitor, local } = await pair();
        await visitor.write(Buffer.alloc(bytes));
        await local.read(bytes);
        await visitor.end();
        await local.end();
        await visitor.fin();
        await until(() => statsOf(server.engine).ends.visitor_fin === bytes, 'its end');
      }
      await until(() => eventsOf(server.rig, 'visitor_end').length === 5, 'five ends');
      const order = eventsOf(server.rig, 'visitor_end').map(({ bytesIn }) => bytesIn);
      expect(order).toEqual([1, 2, 3, 4, 5]);
      expect(server.rig.events[0]?.type).toBe('bound');
    });
  });

  describe('a service that has ended', () => {
    it('does nothing when it is called, and ends a session that is attached', async () => {
      const { server, exposed } = await world.serverScene();
      await exposed.service.close({ deadlineMs: 0 });
      exposed.service.update({ nodelay: true, bind: { host: '127.0.0.1', port: 0 } });
      exposed.service.detach('drain');
      exposed.service.destroy();
      await exposed.service.close({ deadlineMs: 0 });
      // Its end may overtake the ack, which a server does not wait for.
      await world.scriptedClient(server).catch(() => undefined);
      await until(() => exposed.sessions.length === 2, 'the handshake');
      expect(await sessionEnd(only(exposed.sessions.slice(1)))).toBe('service_closed');
      expect(exposed.service.address).toBeUndefined();
    });

    it('does nothing on a client either', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      await client.service.close({ deadlineMs: 0 });
      client.service.update({ local: echo.address, nodelay: true });
      client.service.detach('drain');
      client.service.destroy();
      const session = await client.connect(server.address);
      expect(await sessionEnd(session)).toBe('service_closed');
      await server.control.over();
    });

    it('throws WARREN_E_STATE for a resume', async () => {
      const { exposed } = await world.serverScene();
      exposed.service.destroy();
      const state = expect.objectContaining({ code: 'WARREN_E_STATE' });
      expect(() =>
        exposed.service.resume(serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0 })),
      ).toThrow(state);
    });
  });
}

function only(records: readonly SessionRecord[]): SessionRecord {
  const [first] = records;
  if (first === undefined) throw new Error('no session');
  return first;
}
