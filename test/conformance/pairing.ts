/** A visitor meets the local service, and every byte arrives. */
import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { START_TCP } from '../../ts/protocol/wire.ts';
import type { Peer } from '../helpers/peer.ts';
import { turn, until } from '../helpers/until.ts';
import { event, statsOf } from './control-plane.ts';
import { untilReady, type World } from './world.ts';

const CONTENT_BYTES = 8 * 1_024 * 1_024;
const VISITORS = 1_000;
/** Where every channel costs a handshake of both engines in this process. */
const VISITORS_HANDSHAKEN = 200;
/** Of them, where the same was shown with channels of v1. */
const REUSED_SHARE = 0.3;

export function pairing(world: World): void {
  describe('pairing', () => {
    it('carries bytes both ways between a visitor and the local service', async () => {
      const { pair } = await world.tunnel();
      const { visitor, local } = await pair();
      await visitor.write('question');
      expect((await local.read(8)).toString()).toBe('question');
      await local.write('answer');
      expect((await visitor.read(6)).toString()).toBe('answer');
    });

    it('lets the local service speak first', async () => {
      const { pair } = await world.tunnel();
      const { visitor, local } = await pair();
      await local.write('220 ready\r\n');
      expect((await visitor.read(11)).toString()).toBe('220 ready\r\n');
    });

    it('keeps content intact both ways at once, however it is cut', async () => {
      const { pair } = await world.tunnel();
      const { visitor, local } = await pair();
      const [there, back] = [randomBytes(CONTENT_BYTES), randomBytes(CONTENT_BYTES)];
      const [atLocal, atVisitor] = await Promise.all([
        local.rest(),
        visitor.rest(),
        sendInPieces(visitor, there),
        sendInPieces(local, back),
      ]);
      expect(sha256(atLocal)).toBe(sha256(there));
      expect(sha256(atVisitor)).toBe(sha256(back));
    });

    it('sends the start command before any visitor byte, and nothing before a visitor', async () => {
      const { server, client, visit } = await world.serverScene();
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      expect(channel.received).toBe(0);
      const visitor = await visit();
      await visitor.write('early');
      expect(await channel.read(9)).toEqual(Buffer.concat([START_TCP, Buffer.from('early')]));
    });

    it('delivers what a visitor sent while it waited for a channel', async () => {
      const { client, visit } = await world.serverScene();
      const visitor = await visit();
      await visitor.write('GET /');
      await client.untilCreates(9);
      const channel = await world.channel(client);
      expect(await channel.read(9)).toEqual(Buffer.concat([START_TCP, Buffer.from('GET /')]));
    });

    it('pairs visitors with the longest idle channel, or with the one that was used last', async () => {
      const { server, client, visit } = await world.serverScene();
      const first = await world.channel(client);
      await untilReady(server.rig, 1);
      const second = await world.channel(client);
      await untilReady(server.rig, 2);
      await visit();
      const [chosen, other] = world.isReuse ? [second, first] : [first, second];
      await chosen.read(4, 'the start of the chosen channel');
      expect(other.received).toBe(0);
    });

    it('understands a start command that comes byte by byte, and bytes right behind it', async () => {
      const echo = await world.echo();
      const { server } = await world.clientScene({ local: echo.address });
      await server.create(2);
      const split = await server.channel();
      for (const byte of START_TCP) {
        await split.write(Uint8Array.of(byte));
        await turn();
      }
      await split.write('split');
      expect((await split.read(5)).toString()).toBe('split');
      const joined = await server.channel();
      await joined.write(Buffer.concat([START_TCP, Buffer.from('joined')]));
      expect((await joined.read(6)).toString()).toBe('joined');
    });

    const all = world.transportName === 'tcp' ? VISITORS : VISITORS_HANDSHAKEN;
    const visitorCount = world.isReuse ? all * REUSED_SHARE : all;
    it(`serves ${visitorCount} visitors at once, each with its own bytes`, async () => {
      const echo = await world.echo();
      const { server, visit } = await world.tunnel({ local: echo.address });
      const visitors = await Promise.all(
        Array.from({ length: visitorCount }, async (_, index) => {
          const visitor = await visit();
          const tag = Buffer.alloc(64, `visitor ${index} `);
          await visitor.write(tag);
          expect(await visitor.read(tag.length)).toEqual(tag);
          return visitor;
        }),
      );
      expect(statsOf(server.engine).visitorsOpen).toBe(visitorCount);
      expect(statsOf(server.engine).visitorsWaiting).toBe(0);
      for (const visitor of visitors) void visitor.end();
      await Promise.all(visitors.map((visitor) => visitor.fin()));
      await until(() => statsOf(server.engine).visitorsOpen === 0, 'every visitor ended');
      expect(statsOf(server.engine).ends.visitor_fin).toBe(visitorCount);
    });

    it('counts bytes exactly, in stats and in visitor_end on both ends', async () => {
      const { server, client, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      await visitor.write(Buffer.alloc(12_345));
      await local.read(12_345);
      await local.write(Buffer.alloc(67_890));
      await visitor.read(67_890);
      await visitor.end();
      await local.fin();
      await local.end();
      const counts = { bytesIn: 12_345, bytesOut: 67_890, reason: 'visitor_fin' };
      const address = { host: '127.0.0.1', port: visitor.localPort };
      const onServer = await event(server.rig, 'visitor_end');
      expect(onServer).toMatchObject({ ...counts, protocol: 'tcp', visitor: address });
      expect(onServer.durationMs).toBeGreaterThanOrEqual(0);
      const onClient = await event(client.rig, 'visitor_end');
      const told = world.isReuse ? address : undefined;
      expect(onClient).toMatchObject({ ...counts, protocol: 'tcp', visitor: told });
      const ended = { bytesIn: 12_345, bytesOut: 67_890, visitorsOpen: 0, visitorsTotal: 1 };
      expect(statsOf(server.engine)).toMatchObject(ended);
      expect(statsOf(client.engine)).toMatchObject(ended);
    });
  });
}

/** In pieces of 1 byte to 100 KB, with turns of the loop between some. Ends with FIN. */
async function sendInPieces(peer: Peer, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.ceil(10 ** (Math.random() * 5));
    const written = peer.write(bytes.subarray(at, at + length));
    if (Math.random() < 0.5) await written;
    at += length;
  }
  await peer.end();
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
