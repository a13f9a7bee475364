/** ABORT in band: its reason at the other end, its answer, and the channel that goes on. */
import { describe, expect, it } from 'vitest';
import type { EndReason } from '../../ts/engine/reason.ts';
import type { Limits } from '../../ts/limits.ts';
import {
  ABORTED,
  abort,
  data,
  END,
  PUT_TO_USE,
  readWord,
  start,
  type Word,
} from '../helpers/peer-words.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import { until } from '../helpers/until.ts';
import { event, eventsOf } from './control-plane.ts';
import {
  afterStart,
  clientWithChannel,
  finishUse,
  nothingComes,
  readPayload,
  serverWithChannel,
  serveUse,
  TOLD_BY_CLIENT,
  TOLD_BY_SERVER,
} from './reuse-scenes.ts';
import type { World } from './world.ts';

export function reuseAborts(world: World): void {
  describe('ABORT to a server', () => {
    it('resets the visitor with its reason, is answered, and the channel goes on', async () => {
      const { channel, server, visit } = await serverWithChannel(world, { accessLog: true });
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 255];
      for (const [at, number] of numbers.entries()) {
        const visitor = await visit();
        if (at === 0) await channel.read(4);
        expect(await readWord(channel)).toMatchObject({ word: 'start', visitor: BigInt(at + 1) });
        await visitor.write('x');
        expect((await readPayload(channel, 1)).toString()).toBe('x');
        await channel.write(abort(number));
        const told = TOLD_BY_CLIENT[number] ?? 'channel_reset';
        expectAnswer(await readWord(channel), number, told);
        await visitor.gone();
        expect(visitor.wasReset).toBe(true);
        await until(() => eventsOf(server.rig, 'visitor_end').length === at + 1, 'its end');
      }
      const reasons = eventsOf(server.rig, 'visitor_end').map(({ reason }) => reason);
      expect(reasons).toEqual(numbers.map((number) => TOLD_BY_CLIENT[number] ?? 'channel_reset'));
      await finishUse(channel, await afterStart(channel, visit), 'next');
    });

    it('is not answered where the server has ended before', async () => {
      const { channel, server, visit } = await serverWithChannel(world, { accessLog: true });
      const visitor = await visit();
      await visitor.end();
      await channel.read(4);
      await readWord(channel);
      expect(await readWord(channel)).toEqual({ word: 'end' });
      await channel.write(Buffer.concat([data('half an ans'), abort(ABORTED.reset)]));
      expect((await event(server.rig, 'visitor_end')).reason).toBe('local_reset');
      await finishUse(channel, await afterStart(channel, visit), 'next');
    });

    it('delivers what came before it', async () => {
      const { channel, visit } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await channel.write(data('last words'));
      expect((await visitor.read(10)).toString()).toBe('last words');
      await channel.write(abort(ABORTED.reset));
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
    });
  });

  describe('ABORT to a client', () => {
    it('resets the local connection with its reason, is answered, and the channel goes on', async () => {
      const { channel, client, local } = await clientWithChannel(world, { accessLog: true });
      await channel.write(PUT_TO_USE);
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 255];
      for (const [at, number] of numbers.entries()) {
        await channel.write(Buffer.concat([start(at + 1), data('x')]));
        const served = await local.next();
        await served.read(1);
        await channel.write(abort(number));
        const told = TOLD_BY_SERVER[number] ?? 'channel_reset';
        expectAnswer(await readWord(channel), number, told);
        await served.gone();
        expect(served.wasReset).toBe(true);
        await until(() => eventsOf(client.rig, 'visitor_end').length === at + 1, 'its end');
      }
      const reasons = eventsOf(client.rig, 'visitor_end').map(({ reason }) => reason);
      expect(reasons).toEqual(numbers.map((number) => TOLD_BY_SERVER[number] ?? 'channel_reset'));
      await serveUse(channel, local, start(99), 'next');
    });

    it('before the local service has answered ends the connect', async () => {
      const stuck = world.defer(await StuckListener.open(), (it) => it.close());
      const { server, client } = await world.clientScene({ local: stuck.address, accessLog: true });
      await server.create();
      const channel = await server.rawChannel();
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), abort(ABORTED.reset)]));
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: 1 });
      expect((await event(client.rig, 'visitor_end')).reason).toBe('visitor_reset');
    });

    it('is not answered where the client has ended before', async () => {
      const { channel, client, local } = await clientWithChannel(world, { accessLog: true });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      await served.end();
      expect(await readWord(channel)).toEqual({ word: 'end' });
      await channel.write(abort(ABORTED.reset));
      expect((await event(client.rig, 'visitor_end')).reason).toBe('visitor_reset');
      await serveUse(channel, local, start(2), 'next');
    });
  });

  describe('who sent ABORT', () => {
    it('a server discards what comes until the peer ends, and uses the channel again', async () => {
      const { channel, visit } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await visitor.write('x');
      await readPayload(channel, 1);
      await visitor.reset();
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: ABORTED.reset });
      const next = await visit();
      await nothingComes(channel);
      await channel.write(Buffer.concat([data('too late'), data('again'), END]));
      expect(await readWord(channel)).toMatchObject({ word: 'start', visitor: 2n });
      await finishUse(channel, next, 'next');
    });

    it('a client discards what comes until the peer ends, and waits for the next', async () => {
      const { channel, local } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), data('x')]));
      const served = await local.next();
      await served.read(1);
      await served.reset();
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: ABORTED.reset });
      await channel.write(Buffer.concat([data('too late'), data('again'), END]));
      await serveUse(channel, local, start(2), 'next');
    });

    const limits: Partial<Limits> = { channelSettleMs: 100 };
    it('a server closes the channel when no end comes', async () => {
      const { channel, visit } = await serverWithChannel(world, { limits });
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await visitor.reset();
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: ABORTED.reset });
      await channel.over();
      expect(channel.ended).toBe(false);
    });

    it('a client closes the channel when no end comes', async () => {
      const { channel, local } = await clientWithChannel(world, { limits });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), data('x')]));
      const served = await local.next();
      await served.read(1);
      await served.reset();
      expect(await readWord(channel)).toEqual({ word: 'abort', reason: ABORTED.reset });
      await channel.over();
      expect(channel.ended).toBe(false);
    });
  });
}

/** The same number; one that says nothing may be answered by what it is read as. */
function expectAnswer(word: Word, number: number, told: EndReason): void {
  if (word.word !== 'abort') throw new Error(`${word.word} instead of an answer`);
  expect(told === 'channel_reset' ? [number, 0] : [number]).toContain(word.reason);
}
