/** A server that says what it must not, and words to who did not agree to them. */
import { describe, expect, it } from 'vitest';
import { abort, data, END, FREE, PUT_TO_USE, start, startOf, u32 } from '../helpers/peer-words.ts';
import { event, statsOf } from './control-plane.ts';
import { BEHIND_END, standsStill, UNKNOWN } from './reuse-bad-words.ts';
import { clientWithChannel, serverWithChannel, serveUse } from './reuse-scenes.ts';
import type { World } from './world.ts';

const ADDRESSES = Buffer.alloc(12, 1);
const NUMBER = Buffer.alloc(8, 1);

const BAD_STARTS: readonly [string, Buffer][] = [
  ['empty', startOf(Buffer.alloc(0))],
  ['half a number', startOf(NUMBER.subarray(4))],
  ['a family alone', startOf(Buffer.concat([NUMBER, Buffer.of(4)]))],
  ['one byte too short', startOf(Buffer.concat([NUMBER, Buffer.of(4), ADDRESSES.subarray(1)]))],
  ['IPv6 with addresses of IPv4', startOf(Buffer.concat([NUMBER, Buffer.of(6), ADDRESSES]))],
  ['another family', startOf(Buffer.concat([NUMBER, Buffer.of(5), ADDRESSES]))],
  ['1,025 bytes', startOf(Buffer.concat([NUMBER, Buffer.of(4), Buffer.alloc(1_016, 1)]))],
  ['65,535 bytes', startOf(Buffer.concat([NUMBER, Buffer.of(4), ADDRESSES]), 65_535)],
];

export function reuseBadServer(world: World): void {
  describe('a client whose server says', () => {
    it.each([
      ...UNKNOWN,
      ['DATA', data('x')],
      ['END', END],
      ['ABORT', abort(1)],
      ['FREE', FREE],
      ...BAD_STARTS.map(([what, bytes]): [string, Buffer] => [`a START of ${what}`, bytes]),
    ])('%s first', async (_what, bytes) => {
      const { channel, client, local, server } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, bytes]));
      await channel.over();
      expect(channel.ended).toBe(false);
      expect((await event(client.rig, 'channel_failed')).reason).toBe('bad_record');
      await server.create();
      const next = await server.rawChannel();
      await next.write(PUT_TO_USE);
      await serveUse(next, local, start(1), 'next');
      expect(local.peers).toHaveLength(1);
      expect(statsOf(client.engine).visitorsTotal).toBe(1);
    });

    it.each([...UNKNOWN, ['START', start(9)], ['FREE', FREE]])(
      '%s in a use',
      async (_what, bytes) => {
        const { channel, client, local, server } = await clientWithChannel(world, {
          accessLog: true,
        });
        await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
        await local.next();
        await server.create();
        const other = await server.rawChannel();
        await other.write(Buffer.concat([PUT_TO_USE, start(2)]));
        const untouched = await local.next();
        await channel.write(bytes);
        await channel.over();
        expect(channel.ended).toBe(false);
        expect((await event(client.rig, 'visitor_end')).reason).toBe('channel_reset');
        expect((await event(client.rig, 'channel_failed')).reason).toBe('bad_record');
        await other.write(Buffer.concat([data('untouched'), END]));
        expect((await untouched.rest()).toString()).toBe('untouched');
        expect(local.peers).toHaveLength(2);
      },
    );

    it.each([...BEHIND_END, ['FREE', FREE]])('%s behind its END', async (_what, bytes) => {
      const { channel, local, server } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), data('whole'), END, bytes]));
      const served = await local.next();
      expect((await served.read(5)).toString()).toBe('whole');
      await served.end();
      await served.over();
      expect(served.buffered).toBe(0);
      await channel.over();
      await server.create();
      const next = await server.rawChannel();
      await next.write(PUT_TO_USE);
      await serveUse(next, local, start(2), 'next');
      expect(local.peers).toHaveLength(2);
    });

    it("v1's start, which is END, between two uses", async () => {
      const { channel, client, local } = await clientWithChannel(world);
      await channel.write(PUT_TO_USE);
      await serveUse(channel, local, start(1), 'first');
      await channel.write(u32(0));
      await channel.over();
      expect((await event(client.rig, 'channel_failed')).reason).toBe('bad_record');
    });

    it('a START that is cut at any byte, then nothing, or its end', async () => {
      const echo = await world.listener();
      const { server, client } = await world.clientScene({ local: echo.address });
      const whole = Buffer.concat([PUT_TO_USE, start(1)]);
      await server.create(whole.length);
      for (let cut = 1; cut < whole.length; cut++) {
        const channel = await server.rawChannel();
        await channel.write(whole.subarray(0, cut));
        if (cut % 2 === 0) await channel.end();
      }
      const good = await server.rawChannel();
      await good.write(PUT_TO_USE);
      await serveUse(good, echo, start(1), 'served');
      expect(echo.peers).toHaveLength(1);
      expect(statsOf(client.engine)).toMatchObject({ visitorsTotal: 1, visitorsOpen: 0 });
      await client.engine.close({ deadlineMs: 0 });
    });

    it('a record without end, its local service not reading: it is read no further', async () => {
      const local = await world.listener({ paused: true });
      const { channel } = await clientWithChannel(world, { local });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      await local.next();
      await standsStill(channel);
    });
  });

  describe('words to who did not agree to them', () => {
    const { v1 } = world;

    it('are no start', async () => {
      const { channel, client, local } = await clientWithChannel(v1);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), data('x')]));
      await channel.over();
      expect((await event(client.rig, 'channel_failed')).reason).toBe('bad_start');
      expect(local.peers).toHaveLength(0);
    });

    it("are a visitor's bytes to a server", async () => {
      const { channel, visit } = await serverWithChannel(v1);
      const visitor = await visit();
      await channel.read(4);
      const bytes = Buffer.concat([data('x'), END, abort(1)]);
      await channel.write(bytes);
      expect(await visitor.read(bytes.length)).toEqual(bytes);
    });
  });
}
