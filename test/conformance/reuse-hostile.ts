/** Words that a peer must not say: the channel is closed, its visitor reset, nobody else hears of it. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import {
  ABORTED,
  abort,
  data,
  END,
  FREE,
  FREE_BEYOND,
  PUT_TO_USE,
  readWord,
  start,
  startOf,
  u32,
} from '../helpers/peer-words.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, statsOf } from './control-plane.ts';
import { pour, still } from './flow.ts';
import {
  clientWithChannel,
  finishUse,
  readPayload,
  serverWithChannel,
  serveUse,
} from './reuse-scenes.ts';
import { untilReady, type World } from './world.ts';

const DATA_MAX = 0x7fffffff;
const OFFERED = 256 * 1_024 * 1_024;
/** What the socket buffers of the kernel and one read hold is far less. */
const TAKEN_MAX = OFFERED / 4;
const RSS_MAX = 128 * 1_024 * 1_024;

const UNKNOWN: readonly [string, Buffer][] = [
  ['the first word that is none', u32(0x80000000)],
  ['the last word that is none', u32(0xfffffffc)],
];

/** Who has been told END need not read on before its own END; then at the latest it meets these. */
const BEHIND_END: readonly [string, Buffer][] = [
  ['DATA', data('x')],
  ['END', END],
  ['ABORT', abort(1)],
  ['a word that is none', u32(0x80000000)],
];

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

export function reuseHostile(world: World): void {
  describe('a server whose client says', () => {
    it.each([...UNKNOWN, ['START', start(1)], ['FREE that is not due', FREE]])(
      '%s in a use',
      async (_what, bytes) => {
        const { channel, server, other, untouched } = await twoVisitors(world);
        await channel.write(bytes);
        await channel.over();
        expect(channel.ended).toBe(false);
        await until(() => endsOf(server.engine, 'channel_reset') === 1, 'channel_reset');
        const failed = await event(server.rig, 'channel_failed');
        expect(failed).toMatchObject({ reason: 'bad_record', count: 1 });
        await finishUse(other, untouched, 'untouched');
      },
    );

    it.each([...BEHIND_END, ['FREE', FREE], ['START', start(1)]])(
      '%s behind its END',
      async (_what, bytes) => {
        const { channel, client, visitor, visit, other, untouched } = await twoVisitors(world);
        await channel.write(Buffer.concat([data('whole'), END, bytes]));
        expect((await visitor.read(5)).toString()).toBe('whole');
        await visitor.end();
        await visitor.over();
        expect(visitor.buffered).toBe(0);
        await channel.over();
        await finishUse(other, untouched, 'untouched');
        const fresh = await world.rawChannel(client);
        const next = await visit();
        const used = await firstStarted([other, fresh]);
        await finishUse(used, next, 'next');
      },
    );

    it.each([['FREE', FREE], ['END', END], ['ABORT', abort(1)], ['START', start(1)], ...UNKNOWN])(
      '%s between two uses',
      async (_what, bytes) => {
        const { channel, client, server, visit } = await serverWithChannel(world);
        const visitor = await visit();
        await channel.read(4);
        await readWord(channel);
        await finishUse(channel, visitor, 'first');
        await untilReady(server.rig, 1);
        await channel.write(bytes);
        await channel.over();
        expect(channel.received).toBe(4 + 4 + 2 + 21 + 4 + 5 + 4);
        const fresh = await world.rawChannel(client);
        const next = await visit();
        await fresh.read(4);
        await readWord(fresh);
        await finishUse(fresh, next, 'second');
      },
    );

    it.each([
      ['DATA', data('x')],
      ['END', END],
      ['START', start(1)],
      ['FREE twice', Buffer.concat([FREE, FREE])],
    ])('%s where FREE is due', async (_what, bytes) => {
      const { channel, server, visit } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await visitor.write(Buffer.alloc(FREE_BEYOND + 1));
      await visitor.end();
      await readPayload(channel, FREE_BEYOND + 1);
      await readWord(channel);
      await channel.write(END);
      await visitor.fin();
      await until(() => statsOf(server.engine).visitorsOpen === 0, 'its end');
      await channel.write(bytes);
      await channel.over();
      expect(endsOf(server.engine, 'visitor_fin')).toBe(1);
    });

    it('a record without end, its visitor not reading: it is read no further', async () => {
      const { channel, visit } = await serverWithChannel(world);
      await visit({ paused: true });
      await channel.read(4);
      await readWord(channel);
      await standsStill(channel);
    });

    it('a record without end behind an ABORT of ours: discarded for a while, then closed', async () => {
      const limits = { channelSettleMs: 150 };
      const { channel, visit } = await serverWithChannel(world, { limits });
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await visitor.reset();
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: ABORTED.reset });
      const before = process.memoryUsage.rss();
      channel.socket.write(u32(DATA_MAX));
      const flood = pour(channel, Number.POSITIVE_INFINITY);
      await channel.over();
      flood.stop();
      expect(process.memoryUsage.rss() - before).toBeLessThan(RSS_MAX);
    });
  });

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

/** Two visitors on two channels of a server, both started; the second is to notice nothing. */
async function twoVisitors(world: World) {
  const scene = await serverWithChannel(world);
  const { channel, client, visit } = scene;
  const visitor = await visit();
  await channel.read(4);
  await readWord(channel);
  const other = await world.rawChannel(client);
  const untouched = await visit();
  await other.read(4);
  await readWord(other);
  return { ...scene, visitor, other, untouched };
}

/** That of these channels which is started next; `other` has been put to use before. */
async function firstStarted([other, fresh]: readonly [Peer, Peer]): Promise<Peer> {
  await until(() => other.buffered > 0 || fresh.buffered > 0, 'a start');
  const isFresh = fresh.buffered > 0;
  const used = isFresh ? fresh : other;
  if (isFresh) await used.read(4);
  expect((await readWord(used)).word).toBe('start');
  return used;
}

/** Announces the longest record and pours until nothing more is taken. */
async function standsStill(channel: Peer): Promise<void> {
  const before = process.memoryUsage.rss();
  channel.socket.write(u32(DATA_MAX));
  const flood = pour(channel, OFFERED);
  expect(await still(flood)).toBeLessThan(TAKEN_MAX);
  flood.stop();
  expect(process.memoryUsage.rss() - before).toBeLessThan(RSS_MAX);
}
