/** Sessions come, take over and go; the address and the visitors follow the contract. */
import { describe, expect, it } from 'vitest';
import { serverRoutine } from '../../ts/control/routines.ts';
import { encodeDataHello } from '../../ts/protocol/wire.ts';
import { Peer } from '../helpers/peer.ts';
import { until } from '../helpers/until.ts';
import type { Exposed, SessionRecord } from './control-plane.ts';
import { endsOf, event, publicAddress, sessionEnd, statsOf } from './control-plane.ts';
import { untilReady, type World } from './world.ts';

export function sessions(world: World): void {
  describe('sessions', () => {
    it('W9: the address is bound while a session is attached, and only then', async () => {
      const server = await world.server();
      const exposed = server.expose();
      expect(exposed.service.address).toBeUndefined();
      const client = await world.scriptedClient(server);
      const address = await publicAddress(exposed);
      expect(await event(server.rig, 'bound')).toMatchObject({ service: 'service', address });
      await client.control.end();
      await until(() => exposed.service.address === undefined, 'unbound');
      await until(() => refuses(address), 'the port is free');
    });

    it('W7: EOF of the control channel ends the session', async () => {
      const { exposed, client } = await world.serverScene();
      await client.control.end();
      expect(await sessionEnd(newest(exposed))).toBe('control_eof');
    });

    it('W7: RST of the control channel ends the session', async () => {
      const { exposed, client } = await world.serverScene();
      await client.control.reset();
      expect(await sessionEnd(newest(exposed))).toBe('control_reset');
    });

    it('W9: visitors that wait when the session ends, end with session_end', async () => {
      const { server, client, visit } = await world.serverScene({ accessLog: true });
      const visitor = await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      await client.control.end();
      await visitor.gone();
      expect((await event(server.rig, 'visitor_end')).reason).toBe('session_end');
    });

    it('visitors that are served survive the end of the session on both ends', async () => {
      const { pair, exposed, client } = await world.tunnel();
      const { visitor, local } = await pair();
      exposed.service.detach('service_closed');
      expect(await sessionEnd(newest(exposed))).toBe('service_closed');
      const ends = world.isReuse ? ['drain'] : ['control_eof', 'control_reset'];
      expect(ends).toContain(await sessionEnd(record(client.sessions)));
      await visitor.write('still');
      expect((await local.read(5)).toString()).toBe('still');
      await local.write('here');
      expect((await visitor.read(4)).toString()).toBe('here');
    });

    it('W8: the key of a session that has ended opens no channel', async () => {
      const { server, exposed, client } = await world.serverScene();
      await client.control.end();
      await sessionEnd(newest(exposed));
      const late = await world.connectTunnel(server.address);
      await late.write(encodeDataHello(client.key));
      await late.over();
      const rejected = await event(server.rig, 'tunnel_rejected');
      expect(rejected.reason).toBe('unknown_session');
      expect(server.engine.stats().tunnelRejected.unknown_session).toBe(1);
    });

    it('the newest takes over: replaced, same listener, idle channels closed', async () => {
      const { server, exposed, client, address } = await world.serverScene();
      const idle = await world.channel(client);
      await untilReady(server.rig, 1);
      const next = await world.scriptedClient(server);
      expect(await sessionEnd(record(exposed.sessions))).toBe('replaced');
      await client.control.over();
      await idle.over();
      expect(exposed.service.address).toEqual(address);
      await next.untilCreates(8);
      expect(newest(exposed).reasons).toEqual([]);
    });

    it('the newest takes over: visitors that wait, wait on and are served by it', async () => {
      const { server, visit } = await world.serverScene();
      const visitor = await visit();
      await visitor.write('patient');
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      const next = await world.scriptedClient(server);
      await next.untilCreates(9);
      const channel = await world.channel(next);
      expect((await channel.read(11)).subarray(4).toString()).toBe('patient');
    });

    it('the newest takes over: visitors that are served stay on the old one', async () => {
      const { server, exposed, client, visit } = await world.serverScene();
      const channel = await world.channel(client);
      const visitor = await visit();
      await channel.read(4);
      await world.scriptedClient(server);
      await sessionEnd(record(exposed.sessions));
      await visitor.write('old');
      expect((await channel.read(3)).toString()).toBe('old');
      await channel.write('ok');
      expect((await visitor.read(2)).toString()).toBe('ok');
    });

    it('W17: a client session that is replaced gives way to the newer', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      await client.connect(server.address);
      expect(await sessionEnd(record(client.sessions))).toBe('replaced');
      await until(() => server.controls.length === 2, 'the second control channel');
      await server.create();
      await server.channel();
      expect(record(client.sessions.slice(1)).reasons).toEqual([]);
    });

    it("closes the client's waiting channels a while after their session ended", async () => {
      const echo = await world.echo();
      const limits = { orphanGraceMs: 80 };
      const { server, client } = await world.clientScene({ local: echo.address, limits });
      await server.create(2);
      const channels = [await server.channel(), await server.channel()];
      await server.control.end();
      expect(await sessionEnd(record(client.sessions))).toBe('control_eof');
      for (const peer of channels) await peer.over();
      await until(() => endsOf(client.engine, 'session_end') === 2, 'session_end');
    });

    it('an orphaned channel that is started within the grace is still served', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      await server.create();
      const channel = await server.channel();
      await server.control.end();
      await sessionEnd(record(client.sessions));
      await channel.write(
        Buffer.concat([
          serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0 }).start,
          Buffer.from('late'),
        ]),
      );
      expect((await channel.read(4)).toString()).toBe('late');
    });

    it('a session that ends while its address is being bound leaves no listener', async () => {
      const server = await world.server();
      const bind = { host: 'localhost', port: 0 };
      const exposed = server.expose({ bind });
      for (let round = 0; round < 3; round++) {
        await world.scriptedClient(server);
        await until(() => exposed.sessions.length > round, 'a session');
        exposed.service.detach('service_closed');
      }
      await world.scriptedClient(server);
      const address = await publicAddress(exposed);
      await exposed.service.close({ deadlineMs: 0 });
      expect(await refuses(address)).toBe(true);
      await server.engine.close({ deadlineMs: 0 });
    });
  });
}

function record(records: readonly SessionRecord[]): SessionRecord {
  const [first] = records;
  if (first === undefined) throw new Error('no session');
  return first;
}

function newest({ sessions: all }: Exposed): SessionRecord {
  return record(all.slice(-1));
}

/** Nobody listens there. */
export async function refuses(address: { host: string; port: number }): Promise<boolean> {
  try {
    (await Peer.connect(address)).destroy();
    return false;
  } catch {
    return true;
  }
}
