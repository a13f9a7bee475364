/** What a peer, a visitor or the local service can make an engine hold, dial and count. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { EndReason } from '../../ts/engine/reason.ts';
import { encodeDataHello, START_TCP } from '../../ts/protocol/wire.ts';
import type { Peer } from '../helpers/peer.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import { tcpQueues } from '../helpers/tcp-queues.ts';
import { turn, until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, type ServerSide, statsOf } from './control-plane.ts';
import type { World } from './world.ts';

const STASH_MAX_BYTES = 16_384;

export function limits(world: World): void {
  const stuckLocal = async () => world.defer(await StuckListener.open(), (it) => it.close());

  describe('limits of a client', () => {
    it('W14: holds so many channels that wait for a start, and refuses the surplus', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({
        local: echo.address,
        limits: { channelsPerService: 4 },
      });
      await server.create(1_000);
      await until(() => endsOf(client.engine, 'dial_limit') === 996, 'the surplus is refused');
      await until(() => server.channels.length === 4, 'four channels');
      const failed = await event(client.rig, 'channel_failed');
      expect(failed).toMatchObject({ service: 'service', reason: 'dial_limit' });
      expect(client.sessions[0]?.reasons).toEqual([]);
      // Over several commands as well as in one write, and as many again as are put to use.
      await server.create(1);
      await until(() => endsOf(client.engine, 'dial_limit') === 997, 'one more is refused');
      const used = await server.channel();
      await used.write(Buffer.concat([START_TCP, Buffer.from('x')]));
      await used.read(1, 'the echo');
      await server.create(2);
      await until(() => endsOf(client.engine, 'dial_limit') === 998, 'one of two is refused');
      await until(() => server.channels.length === 5, 'one of two is dialled');
    });

    it('W14: channels that are being dialled count, and one that ended does not', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({
        local: echo.address,
        limits: { channelsPerService: 2, dialsAtOnce: 1 },
      });
      await server.create(3);
      await until(() => endsOf(client.engine, 'dial_limit') === 1, 'the third is refused');
      const [first] = [await server.channel(), await server.channel()];
      await first.end();
      await first.gone();
      await server.create(2);
      await until(() => endsOf(client.engine, 'dial_limit') === 2, 'one of two is refused');
      await server.channel();
    });

    it('W14: serves so many visitors at once, and refuses the channels of more', async () => {
      const local = await world.listener();
      const { server, client } = await world.clientScene({
        local: local.address,
        limits: { visitorsPerService: 2 },
      });
      await server.create(4);
      const channels: Peer[] = [];
      for (let index = 0; index < 4; index++) channels.push(await server.channel());
      for (const channel of channels) await channel.write(START_TCP);
      await until(
        () => channels.filter(({ ended, closed }) => ended || closed).length === 2,
        'two',
      );
      expect(statsOf(client.engine).visitorsOpen).toBe(2);
      expect(endsOf(client.engine, 'visitor_limit')).toBe(2);
      const [served] = [await local.next(), await local.next()];
      expect(local.peers).toHaveLength(2);
      // A visitor that ends makes room.
      await served.reset();
      await until(() => statsOf(client.engine).visitorsOpen === 1, 'room');
      await server.create();
      await (await server.channel()).write(START_TCP);
      await local.next('the next visitor');
    });

    it('a connect to the local service that failed lasted as long as it did', async () => {
      const stuck = await stuckLocal();
      const { server, client } = await world.clientScene({
        local: stuck.address,
        accessLog: true,
        limits: { localConnectTimeoutMs: 250 },
      });
      await server.create();
      await (await server.channel()).write(START_TCP);
      const end = await event(client.rig, 'visitor_end');
      expect(end.reason).toBe('local_timeout');
      expect(end.durationMs).toBeGreaterThanOrEqual(240);
    });
  });

  describe('limits of a server', () => {
    it('takes at most 16 KiB of a visitor that waits, and loses none of the rest', async ({
      skip,
    }) => {
      const { client, address, visit } = await world.serverScene();
      const visitor = await visit();
      const payload = randomBytes(3 * STASH_MAX_BYTES);
      await visitor.write(payload);
      const queues = () => tcpQueues(visitor.localPort, address.port);
      if (queues() === undefined) {
        process.stderr.write('skipped: this system does not tell what a socket has unread\n');
        skip();
      }
      // A table that is read while it changes may lack the connection.
      const taken = (): number => payload.length - (queues()?.unread ?? payload.length);
      await until(() => queues()?.sending === 0 && taken() > 0, 'the engine has read some');
      for (let turns = 0; turns < 10; turns++) {
        await turn();
        expect(taken()).toBeLessThanOrEqual(STASH_MAX_BYTES);
      }
      const channel = await world.channel(client);
      const all = await channel.read(START_TCP.length + payload.length, 'all that it sent');
      expect(all.subarray(START_TCP.length).equals(payload)).toBe(true);
    });
  });

  describe('a tunnel connection that is rejected counts once', () => {
    const garbage = Buffer.alloc(64, 0xff);
    it.each<[string, EndReason, (peer: Peer) => Promise<void>]>([
      ['FIN before the hello', 'handshake_eof', (peer) => peer.end()],
      ['RST before the hello', 'handshake_eof', (peer) => peer.reset()],
      ['FIN within the hello', 'handshake_eof', (peer) => peer.write('x').then(() => peer.end())],
      ['a bad hello', 'bad_hello', (peer) => peer.write(garbage)],
      [
        'an unknown session key',
        'unknown_session',
        (peer) => peer.write(encodeDataHello(randomBytes(32))),
      ],
    ])('%s', async (_name, reason, act) => {
      const server = await world.server();
      const peer = await world.connectTunnel(server.address);
      await act(peer);
      await peer.over();
      await rejectedOnce(server, reason);
    });

    it('a handshake that takes too long', async () => {
      const server = await world.server({ limits: { handshakeTimeoutMs: 60 } });
      const peer = await world.connect(server.address);
      await peer.over();
      await rejectedOnce(server, 'handshake_timeout');
    });

    it('a data channel that sends before its start', async () => {
      const { server, client } = await world.serverScene();
      const peer = world.defer(await client.channel(Buffer.from('?')), (it) => it.destroy());
      await peer.over();
      await rejectedOnce(server, 'early_data');
    });
  });
}

/** Exactly one of this reason in the stats and in the events, also when all is over. */
async function rejectedOnce(server: ServerSide, reason: EndReason): Promise<void> {
  const { engine } = server;
  await event(server.rig, 'tunnel_rejected');
  await until(() => engine.stats().unauthenticated === 0, 'nobody is unauthenticated');
  // When close resolves no socket is left and every event has been told.
  await engine.close({ deadlineMs: 0 });
  expect(engine.stats().tunnelRejected).toEqual({ [reason]: 1 });
  const events = eventsOf(server.rig, 'tunnel_rejected');
  expect(events.map((each) => [each.reason, each.count])).toEqual([[reason, 1]]);
}
