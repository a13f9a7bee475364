/** A client that says what it must not: its channel is closed, its visitor reset, nobody else hears of it. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import {
  ABORTED,
  abort,
  data,
  END,
  FREE,
  FREE_BEYOND,
  readWord,
  start,
  u32,
} from '../helpers/peer-words.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, statsOf } from './control-plane.ts';
import { pour } from './flow.ts';
import { BEHIND_END, standsStill, UNKNOWN } from './reuse-bad-words.ts';
import { finishUse, readPayload, serverWithChannel } from './reuse-scenes.ts';
import { untilReady, type World } from './world.ts';

const DATA_MAX = 0x7fffffff;
const RSS_MAX = 128 * 1_024 * 1_024;

export function reuseBadClient(world: World): void {
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
