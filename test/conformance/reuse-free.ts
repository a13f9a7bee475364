/** FREE: no visitor waits behind the bytes of another one. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import {
  abort,
  data,
  END,
  FREE,
  FREE_BEYOND,
  PUT_TO_USE,
  readWord,
  start,
  u32,
} from '../helpers/peer-words.ts';
import { until } from '../helpers/until.ts';
import { endsOf, statsOf } from './control-plane.ts';
import {
  clientWithChannel,
  finishUse,
  nothingComes,
  readAll,
  serverWithChannel,
} from './reuse-scenes.ts';
import type { World } from './world.ts';

const FLOOR = 1;
/** One frame of a transport, at most. */
const PIECE = Buffer.alloc(32_768);

export function reuseFree(world: World): void {
  describe('FREE', () => {
    it('is waited for by a server when more than 64 KiB went to the client', async () => {
      const { channel, server, visit, client } = await serverWithChannel(world);
      await serve(channel, await visit(), FREE_BEYOND + 1);
      const next = await visit();
      await until(() => statsOf(server.engine).visitorsWaiting === 1, 'the next one waits');
      await nothingComes(channel);
      await channel.write(FREE);
      expect(await readWord(channel)).toMatchObject({ word: 'start', visitor: 2n });
      await finishUse(channel, next, 'next');
      expect(client.creates).toBeGreaterThan(0);
    });

    it('is not waited for at 64 KiB', async () => {
      const { channel, visit } = await serverWithChannel(world);
      await serve(channel, await visit(), FREE_BEYOND);
      await visit();
      expect(await readWord(channel)).toMatchObject({ word: 'start', visitor: 2n });
    });

    it('is sent by a client behind its END when more came, and not at 64 KiB', async () => {
      const { channel, local } = await clientWithChannel(world);
      await channel.write(PUT_TO_USE);
      for (const [number, length] of [FREE_BEYOND + 1, FREE_BEYOND, FREE_BEYOND + 1].entries()) {
        await channel.write(
          Buffer.concat([start(number + 1), data(Buffer.alloc(length, number)), END]),
        );
        const served = await local.next();
        expect(await served.rest()).toHaveLength(length);
        await served.end();
        expect(await readWord(channel)).toEqual({ word: 'end' });
        if (length > FREE_BEYOND) expect(await readWord(channel)).toEqual({ word: 'free' });
      }
    });

    it('waits for a local service that ended first and reads slowly', async () => {
      const length = 16 * 1_024 * 1_024;
      const local = await world.listener({ paused: true });
      const { channel } = await clientWithChannel(world, { local });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const slow = await local.next();
      await slow.end();
      expect(await readWord(channel)).toEqual({ word: 'end' });
      void channel.write(u32(length));
      for (let sent = 0; sent < length; sent += PIECE.length) void channel.write(PIECE);
      void channel.write(END);
      await nothingComes(channel);
      slow.socket.resume();
      expect(await slow.rest()).toHaveLength(length);
      expect(await readWord(channel)).toEqual({ word: 'free' });
    });

    it('is not due where either side aborted', async () => {
      const { channel, local, client } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      await channel.write(data(Buffer.alloc(FREE_BEYOND + 1)));
      await served.read(FREE_BEYOND + 1);
      await served.reset();
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: 1 });
      await channel.write(Buffer.concat([abort(1), start(2), data('next')]));
      const next = await local.next();
      expect((await next.read(4)).toString()).toBe('next');
      await next.end();
      expect(await readWord(channel)).toEqual({ word: 'end' });
      expect(endsOf(client.engine, 'local_reset')).toBe(1);
    });

    it('a local service that ended first and does not read delays no other visitor', async () => {
      const local = await world.listener({ paused: true });
      const { visit } = await world.tunnel({ local: local.address, limits: { poolFloor: FLOOR } });
      for (const length of [FREE_BEYOND, 8 * 1_024 * 1_024]) {
        const visitor = await visit();
        const slow = await local.next();
        await slow.end();
        await visitor.fin();
        const sent = visitor.write(Buffer.alloc(length, 'x'));
        void visitor.end();
        const other = await visit();
        const served = await local.next();
        served.socket.resume();
        await other.write('hello');
        expect((await served.read(5)).toString()).toBe('hello');
        slow.socket.resume();
        await sent;
        const all = await slow.rest();
        expect(all.equals(Buffer.alloc(length, 'x'))).toBe(true);
        await other.reset();
        await served.gone();
      }
    });
  });
}

/** The first use: so many bytes of a visitor, and its end. */
async function serve(channel: Peer, visitor: Peer, length: number): Promise<void> {
  await channel.read(4);
  expect(await readWord(channel)).toMatchObject({ word: 'start', visitor: 1n });
  await visitor.write(Buffer.alloc(length));
  await visitor.end();
  const all = await readAll(channel);
  expect(all).toMatchObject({ end: 'end' });
  expect(all.bytes).toHaveLength(length);
  await channel.write(END);
  await visitor.fin();
}
