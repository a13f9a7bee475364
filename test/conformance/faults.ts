/** A fault ends one connection, is told with its stack, and never reaches the process. */
import { describe, expect, it } from 'vitest';
import { HELLO_RULE } from '../../ts/control/routines.ts';
import { encodeControlHello, serviceDigest } from '../../ts/protocol/wire.ts';
import { until } from '../helpers/until.ts';
import {
  event,
  eventsOf,
  NAME,
  type Rig,
  type SessionRecord,
  sessionEnd,
} from './control-plane.ts';
import { refuses } from './sessions.ts';
import type { World } from './world.ts';

const PLANTED = 'planted by a test';

export function faults(world: World): void {
  describe('faults', () => {
    it('a tunnel handler that throws ends that connection with internal_error', async () => {
      const rig = await world.engine();
      let calls = 0;
      const listener = await rig.engine.listen(
        {
          bind: { host: '127.0.0.1', port: 0 },
          transport: world.transport.server,
          hello: HELLO_RULE,
        },
        {
          control: (_digest, stream) => {
            calls += 1;
            if (calls === 1) throw new Error(PLANTED);
            void stream.write(Uint8Array.of(1));
          },
        },
      );
      const hello = encodeControlHello(serviceDigest(NAME));
      const peer = await world.connectTunnel(listener.address);
      await peer.write(hello);
      await peer.over();
      await told(rig);
      await until(() => rig.engine.stats().tunnelRejected.internal_error === 1, 'internal_error');
      const next = await world.connectTunnel(listener.address);
      await next.write(hello);
      await next.read(1, 'an answer to the next connection');
      expect(rig.engine.stats()).toMatchObject({
        unauthenticated: 1,
        tunnelRejected: { internal_error: 1 },
      });
    });

    // Frames are the engine's own: nothing is surplus.
    it.skipIf(world.isReuse)(
      'a surplus handler that throws ends that session with internal_error',
      async () => {
        const { server, exposed, client } = await world.serverScene();
        const session = only(exposed.sessions);
        session.onSurplus = thrower;
        await client.control.write('?');
        expect(await sessionEnd(session)).toBe('internal_error');
        await client.control.over();
        await told(server.rig);
        await world.scriptedClient(server);
        await until(() => exposed.sessions.length === 2, 'the next session');
      },
    );

    it.skipIf(world.isReuse)(
      'a surplus handler that throws ends that session of a client as well',
      async () => {
        const echo = await world.echo();
        const { server, client } = await world.clientScene({ local: echo.address });
        const session = only(client.sessions);
        session.onSurplus = thrower;
        await server.control.write(Uint8Array.of(9, 9, 9, 9));
        expect(await sessionEnd(session)).toBe('internal_error');
        await server.control.over();
        await told(client.rig);
      },
    );

    it('an ended handler that throws costs nobody else anything', async () => {
      const { server, exposed, client, address } = await world.serverScene();
      only(exposed.sessions).reasons.push = thrower;
      await client.control.end();
      await told(server.rig);
      await until(() => refuses(address), 'the address is free');
      const next = await world.scriptedClient(server);
      await next.untilCreates(8);
    });

    it('an event sink that throws is called again', async () => {
      const uncaught: unknown[] = [];
      const onUncaught = (error: unknown): unknown => uncaught.push(error);
      process.on('uncaughtException', onUncaught);
      world.defer(onUncaught, (listener) => process.off('uncaughtException', listener));
      const { server } = await world.serverScene();
      await event(server.rig, 'bound');
      const { events } = server.rig;
      const { push } = events;
      let thrown = 0;
      events.push = () => {
        thrown += 1;
        throw new Error(PLANTED);
      };
      const first = await world.connectTunnel(server.address);
      await first.write(Buffer.alloc(HELLO_RULE.length, 0xff));
      await first.over();
      await until(() => thrown > 0, 'the sink was called');
      events.push = push;
      const second = await world.connectTunnel(server.address);
      await second.write(Buffer.alloc(HELLO_RULE.length, 0xff));
      await second.over();
      await event(server.rig, 'tunnel_rejected');
      expect(uncaught).toEqual([]);
    });

    it('an event sink that throws does not keep close from resolving', async () => {
      const { server } = await world.serverScene();
      await event(server.rig, 'bound');
      const { events } = server.rig;
      const { push } = events;
      let thrown = 0;
      events.push = () => {
        thrown += 1;
        throw new Error(PLANTED);
      };
      world.defer(push, () => {
        events.push = push;
      });
      // Its hello is incomplete: the event of its end is in the batch that close flushes.
      const peer = await world.connectTunnel(server.address);
      await until(() => server.engine.stats().unauthenticated === 1, 'it is accepted');
      await server.engine.close({ deadlineMs: 0 });
      await peer.over();
      expect(thrown).toBeGreaterThan(0);
    });
  });
}

function thrower(): never {
  throw new Error(PLANTED);
}

/** It was told once, with where it was and its stack. */
async function told(rig: Rig): Promise<void> {
  const fault = await event(rig, 'fault');
  expect(fault.where).not.toBe('');
  expect(fault.error).toContain(PLANTED);
  expect(fault.stack).toContain('faults.ts');
  expect(eventsOf(rig, 'fault')).toHaveLength(1);
}

function only(records: readonly SessionRecord[]): SessionRecord {
  const [first] = records;
  if (first === undefined) throw new Error('no session');
  return first;
}
