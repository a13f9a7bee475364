/** The routines: commands, heartbeats, silence, and what an engine does not know. */
import { describe, expect, it } from 'vitest';
import { clientRoutine, serverRoutine } from '../../ts/control/routines.ts';
import { COMMAND_CREATE, COMMAND_HEARTBEAT } from '../../ts/protocol/wire.ts';
import { turn, until } from '../helpers/until.ts';
import { endsOf, sessionEnd, statsOf } from './control-plane.ts';
import type { World } from './world.ts';

const INTERVAL_MS = 240;

export function control(world: World): void {
  describe('control channel of a server', () => {
    it('sends a heartbeat after each silent interval', async () => {
      const service = { heartbeatIntervalMs: 40 };
      const { client } = await world.serverScene({ service });
      await until(() => client.heartbeats >= 3, 'three heartbeats');
    });

    it('sends none when they are off', async () => {
      const { client, visit } = await world.serverScene({ service: { heartbeatIntervalMs: 0 } });
      // Three later commands have come: what would have been sent before them has come, too.
      for (let visitors = 1; visitors <= 3; visitors++) {
        await visit();
        await client.untilCreates(8 + visitors);
      }
      expect(client.heartbeats).toBe(0);
    });

    it('puts the heartbeat off by every other command', async () => {
      const service = { heartbeatIntervalMs: INTERVAL_MS };
      const { client, visit } = await world.serverScene({ service });
      for (let round = 0; round < 2; round++) {
        const beats = client.heartbeats;
        const since = client.commands.length;
        await until(() => Date.now() - (client.commands.at(-1)?.at ?? 0) > INTERVAL_MS / 2, 'half');
        await visit();
        await until(() => client.heartbeats > beats, 'the heartbeat');
        const heartbeat = client.commands.findIndex(
          ({ name }, at) => at >= since && name === 'heartbeat',
        );
        const [before, beat] = client.commands.slice(heartbeat - 1, heartbeat + 1);
        const silence = (beat?.at ?? 0) - (before?.at ?? 0);
        expect(silence).toBeGreaterThan(INTERVAL_MS * 0.6);
      }
    });

    it('update takes a new heartbeat interval over in the running session', async () => {
      const { exposed, client } = await world.serverScene();
      exposed.service.update({ routine: serverRoutine({ type: 'tcp', heartbeatIntervalMs: 30 }) });
      await until(() => client.heartbeats >= 2, 'heartbeats');
    });

    it('W7: bytes that come suspend the routine and are left to be read', async () => {
      const { exposed, client, visit, server } = await world.serverScene();
      const [session] = exposed.sessions;
      await client.untilCreates(8);
      await client.control.write('abcd');
      await until(() => session?.surplus === 1, 'surplus');
      expect(session?.control).toBeDefined();
      const read = await session?.control.read(4);
      expect(Buffer.from(read ?? []).toString()).toBe('abcd');
      // Suspended: nothing is sent by the engine, what the control plane writes is.
      const sent = client.commands.length;
      await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'it waits');
      await session?.control.write(COMMAND_HEARTBEAT);
      await until(() => client.heartbeats === 1, 'what the control plane wrote');
      expect(client.commands).toHaveLength(sent + 1);
      // Resumed: the channel for the visitor that came meanwhile is asked for.
      exposed.service.resume(serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0 }));
      await client.untilCreates(9);
      expect(session?.surplus).toBe(1);
      expect(session?.reasons).toEqual([]);
    });

    it('while suspended no heartbeat is sent, also after an update', async () => {
      const service = { heartbeatIntervalMs: 20 };
      const { exposed, client } = await world.serverScene({ service });
      const [session] = exposed.sessions;
      await client.control.write('x');
      await until(() => session?.surplus === 1, 'surplus');
      exposed.service.update({ routine: serverRoutine({ type: 'tcp', heartbeatIntervalMs: 20 }) });
      const sent = client.heartbeats;
      const { creates } = client;
      const since = Date.now();
      await until(() => Date.now() - since > 120, 'several intervals');
      await session?.control.write(COMMAND_CREATE);
      await until(() => client.creates > creates, 'the write behind them');
      expect(client.heartbeats).toBe(sent);
    });

    it('bytes right behind the handshake are surplus as well', async () => {
      const server = await world.server();
      const exposed = server.expose();
      await world.scriptedClient(server, { behindAuth: Buffer.from('hi') });
      await until(() => exposed.sessions[0]?.surplus === 1, 'surplus');
      const read = await exposed.sessions[0]?.control.read(2);
      expect(Buffer.from(read ?? []).toString()).toBe('hi');
    });

    it('W7: the control plane can end the session that sent what it may not', async () => {
      const { exposed, client } = await world.serverScene();
      const [session] = exposed.sessions;
      if (session === undefined) throw new Error('no session');
      session.onSurplus = (stream) => stream.destroy('control_data');
      await client.control.write('x');
      expect(await sessionEnd(session)).toBe('control_data');
      await client.control.over();
      await until(() => exposed.service.address === undefined, 'unbound');
    });

    it('a session that is suspended still hears of EOF', async () => {
      const { exposed, client } = await world.serverScene();
      const [session] = exposed.sessions;
      if (session === undefined) throw new Error('no session');
      await client.control.write('x');
      await until(() => session.surplus === 1, 'surplus');
      await client.control.end();
      expect(await sessionEnd(session)).toBe('control_eof');
    });

    it('resume without a suspended session throws WARREN_E_STATE', async () => {
      const { exposed } = await world.serverScene();
      const state = expect.objectContaining({ code: 'WARREN_E_STATE' });
      expect(() =>
        exposed.service.resume(serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0 })),
      ).toThrow(state);
    });
  });

  describe('control channel of a client', () => {
    it('understands commands that are cut at every byte', async () => {
      const echo = await world.echo();
      const { server } = await world.clientScene({ local: echo.address });
      const commands = Buffer.concat([COMMAND_CREATE, COMMAND_HEARTBEAT, COMMAND_CREATE]);
      for (const byte of commands) {
        await server.control.write(Uint8Array.of(byte));
        await turn();
      }
      await server.channel();
      await server.channel();
      for (let cut = 1; cut < commands.length; cut++) {
        await server.control.write(commands.subarray(0, cut));
        await turn();
        await server.control.write(commands.subarray(cut));
        await server.channel();
        await server.channel();
      }
      expect(server.channels).toHaveLength(2 * commands.length);
    });

    it('understands many commands in one chunk', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      const beats = Array.from({ length: 500 }, () => COMMAND_HEARTBEAT);
      const creates = Array.from({ length: 200 }, () => COMMAND_CREATE);
      await server.control.write(Buffer.concat([...beats, ...creates, ...beats]));
      await until(() => server.channels.length === 200, '200 channels');
      await until(() => statsOf(client.engine).poolReady === 200, 'all wait for their start');
      expect(client.sessions[0]?.surplus).toBe(0);
    });

    it('acts on commands that came in one read with the ack', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      server.behindAck = Buffer.concat([COMMAND_CREATE, COMMAND_CREATE]);
      await client.connect(server.address);
      await server.channel();
      await server.channel();
    });

    it('W10: ends with heartbeat_timeout when nothing comes', async () => {
      const echo = await world.echo();
      const { client } = await world.clientScene({ local: echo.address, silenceTimeoutMs: 80 });
      const [session] = client.sessions;
      if (session === undefined) throw new Error('no session');
      expect(await sessionEnd(session)).toBe('heartbeat_timeout');
    });

    it('every command puts the heartbeat timeout off', async () => {
      const echo = await world.echo();
      const timeoutMs = 600;
      const { client, server } = await world.clientScene({
        local: echo.address,
        silenceTimeoutMs: timeoutMs,
      });
      const [session] = client.sessions;
      const since = Date.now();
      for (let beats = 0; Date.now() - since < 1.5 * timeoutMs; beats++) {
        await (beats % 2 === 0 ? server.heartbeat() : server.create());
        const pause = Date.now();
        await until(() => Date.now() - pause > 30, 'a short pause');
      }
      expect(session?.reasons).toEqual([]);
      await until(() => session?.reasons[0] === 'heartbeat_timeout', 'its end without commands');
    });

    it('hands an unknown command up with all that follows it, and goes on after resume', async () => {
      const echo = await world.echo();
      const { client, server } = await world.clientScene({ local: echo.address });
      const [session] = client.sessions;
      if (session === undefined) throw new Error('no session');
      const unknown = Uint8Array.of(9, 0, 0, 0);
      await server.control.write(Buffer.concat([COMMAND_CREATE, unknown, COMMAND_CREATE]));
      await server.channel();
      await until(() => session.surplus === 1, 'surplus');
      expect(server.channels).toHaveLength(1);
      expect(Buffer.from(await session.control.read(4))).toEqual(Buffer.from(unknown));
      client.service.resume(
        clientRoutine({ type: 'tcp', sessionKey: session.key, silenceTimeoutMs: 0 }),
      );
      await server.channel();
      expect(server.channels).toHaveLength(2);
      expect(session.surplus).toBe(1);
      expect(session.reasons).toEqual([]);
    });

    it('writes nothing on the control channel', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      await server.create(3);
      await until(() => statsOf(client.engine).poolReady === 3, 'three channels');
      await server.heartbeat();
      client.service.detach('service_closed');
      await server.control.over();
      expect(server.control.buffered).toBe(0);
    });

    it('W14: dials no more than dialsWaiting behind those under way', async () => {
      const echo = await world.echo();
      const limits = { dialsAtOnce: 2, dialsWaiting: 3 };
      const { server, client } = await world.clientScene({ local: echo.address, limits });
      await server.create(100);
      await until(() => endsOf(client.engine, 'dial_limit') > 0, 'dial_limit');
      const answered = (): number => endsOf(client.engine, 'dial_limit') + server.channels.length;
      await until(() => answered() === 100, 'each command is dialled or refused');
      expect(server.channels.length).toBeGreaterThanOrEqual(3);
    });
  });
}
