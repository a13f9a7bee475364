/** Frames of a control channel, honest and hostile, to either role. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import { channelsFrame, drainFrame, FRAME, frame, gaveUpFrame } from '../helpers/peer-frames.ts';
import { ABORTED, data, END, PUT_TO_USE, readWord, start } from '../helpers/peer-words.ts';
import { turn, until } from '../helpers/until.ts';
import { endsOf, sessionEnd, statsOf } from './control-plane.ts';
import { clientWithChannel, finishUse, serverWithChannel, serveUse } from './reuse-scenes.ts';
import type { World } from './world.ts';

const MOST = 4_096;

const MALFORMED: readonly [string, Buffer][] = [
  ['longer than 4,096 bytes', frame(200, Buffer.alloc(0), MOST + 1)],
  ['of 16 MiB', frame(200, Buffer.alloc(0), 0xffffff)],
  ['a heartbeat that long', frame(FRAME.heartbeat, Buffer.alloc(0), MOST + 1)],
  ['a drain that is too short', frame(FRAME.drain, Buffer.alloc(3))],
  ['a drain of nothing', frame(FRAME.drain)],
  ['a gave up that is too short', frame(FRAME.gaveUp, Buffer.alloc(8))],
];

/** Skipped, wholly or but for what is known of them. */
const SKIPPED = Buffer.concat([
  frame(0),
  frame(5, Buffer.of(1)),
  frame(255, Buffer.alloc(MOST, 4)),
  frame(FRAME.heartbeat),
  frame(FRAME.heartbeat, Buffer.alloc(300, 3)),
]);

export function reuseFrames(world: World): void {
  describe('frames to a server', () => {
    it.each(MALFORMED)(
      '%s end the session with control_data, not its visitors',
      async (_what, bytes) => {
        const { channel, client, exposed, visit } = await serverWithChannel(world);
        const visitor = await visit();
        await channel.read(4);
        await readWord(channel);
        await client.control.write(bytes);
        expect(await sessionEnd(exposed.sessions[0] ?? never())).toBe('control_data');
        await client.control.over();
        await finishUse(channel, visitor, 'still');
        await channel.over();
      },
    );

    it('of an unknown type and surplus bytes are skipped, however they are cut', async () => {
      const { channel, client, exposed, visit, server } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await inPieces(client.control, Buffer.concat([SKIPPED, gaveUpFrame(1, ABORTED.reset)]));
      await visitor.gone();
      expect(endsOf(server.engine, 'local_reset')).toBe(1);
      expect(exposed.sessions[0]).toMatchObject({ surplus: 0, reasons: [] });
    });

    it('in thousands hold up nobody', async () => {
      const { channel, client, exposed, visit } = await serverWithChannel(world);
      void client.control.write(
        Buffer.concat(new Array<Buffer>(2_000).fill(frame(77, Buffer.alloc(500)))),
      );
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await finishUse(channel, visitor, 'served');
      await client.control.write(drainFrame());
      expect(await sessionEnd(exposed.sessions[0] ?? never())).toBe('drain');
    });

    it('that never end hold up nobody', async () => {
      const { channel, client, exposed, visit } = await serverWithChannel(world);
      const half = frame(77, Buffer.alloc(MOST)).subarray(0, 100);
      await client.control.write(half);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await finishUse(channel, visitor, 'served');
      expect(exposed.sessions[0]?.reasons).toEqual([]);
      await client.control.write(
        Buffer.concat([Buffer.alloc(4 + MOST - half.length), drainFrame()]),
      );
      expect(await sessionEnd(exposed.sessions[0] ?? never())).toBe('drain');
    });

    it('heartbeats go out after an interval without another frame', async () => {
      const service = { heartbeatIntervalMs: 30 };
      const { client } = await serverWithChannel(world, { service });
      await until(() => client.heartbeats >= 3, 'three heartbeats');
    });
  });

  describe('frames to a client', () => {
    it.each([...MALFORMED, ['a channels that is too short', frame(FRAME.channels, Buffer.of(1))]])(
      '%s end the session with control_data, not its visitors',
      async (_what, bytes) => {
        const { channel, client, server, local } = await clientWithChannel(world);
        await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
        const served = await local.next();
        await server.control.write(bytes);
        expect(await sessionEnd(client.sessions[0] ?? never())).toBe('control_data');
        await server.control.over();
        await channel.write(Buffer.concat([data('still'), END]));
        expect((await served.rest()).toString()).toBe('still');
      },
    );

    it('of an unknown type and surplus bytes are skipped, however they are cut', async () => {
      const { server, client, local } = await clientWithChannel(world);
      const asks = frame(FRAME.channels, Buffer.of(1, 0, 9, 9, 9));
      await inPieces(server.control, Buffer.concat([SKIPPED, asks, SKIPPED, channelsFrame(1)]));
      for (let number = 1; number <= 2; number++) {
        const channel = await server.rawChannel();
        await channel.write(PUT_TO_USE);
        await serveUse(channel, local, start(number), 'served');
      }
      expect(client.sessions[0]).toMatchObject({ surplus: 0, reasons: [] });
    });

    it('that ask for more channels than it may have open no more', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({
        local: echo.address,
        limits: { channelsPerService: 4 },
      });
      await server.control.write(channelsFrame(65_535));
      await until(() => endsOf(client.engine, 'dial_limit') === 65_531, 'the surplus is refused');
      await until(() => server.channels.length === 4, 'four channels');
      await server.control.write(channelsFrame(0));
      await server.control.write(channelsFrame(1));
      await until(() => endsOf(client.engine, 'dial_limit') === 65_532, 'one more is refused');
      expect(client.sessions[0]?.reasons).toEqual([]);
    });

    it('prove that the server lives, whatever their type; silence ends the session', async () => {
      const local = await world.listener();
      const { server, client } = await world.clientScene({
        local: local.address,
        silenceTimeoutMs: 250,
      });
      const since = Date.now();
      await until(async () => {
        await server.heartbeat();
        return Date.now() - since > 400;
      }, 'longer than the timeout');
      expect(client.sessions[0]?.reasons).toEqual([]);
      expect(await sessionEnd(client.sessions[0] ?? never())).toBe('heartbeat_timeout');
      expect(statsOf(client.engine).visitorsTotal).toBe(0);
    });
  });
}

/** Byte by byte at first and at the end, in pieces in between. */
async function inPieces(peer: Peer, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const isMiddle = at > 40 && at < bytes.length - 40;
    const end = isMiddle ? Math.min(at + 997, bytes.length - 40) : at + 1;
    await peer.write(bytes.subarray(at, end));
    await turn();
    at = end;
  }
}

function never(): never {
  throw new Error('no session');
}
