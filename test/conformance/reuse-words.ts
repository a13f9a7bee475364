/** Words however they are cut: START, what may stand beside it, and what is still v1's. */
import { describe, expect, it } from 'vitest';
import { START_TCP } from '../../ts/protocol/wire.ts';
import { data, END, PUT_TO_USE, readWord, start, startOf } from '../helpers/peer-words.ts';
import { turn } from '../helpers/until.ts';
import { event } from './control-plane.ts';
import { clientWithChannel, readAll, serverWithChannel } from './reuse-scenes.ts';
import type { World } from './world.ts';

export function reuseWords(world: World): void {
  describe('words', () => {
    it('are understood by a client however they are cut', async () => {
      const { channel, local } = await clientWithChannel(world);
      const use = Buffer.concat([start(1), data('first'), data('second'), END]);
      await channel.write(PUT_TO_USE.subarray(0, 1));
      await turn();
      await channel.write(PUT_TO_USE.subarray(1));
      for (let cut = 1; cut < use.length; cut++) {
        await channel.write(use.subarray(0, cut));
        await turn();
        await channel.write(use.subarray(cut));
        const served = await local.next();
        expect((await served.rest()).toString()).toBe('firstsecond');
        await served.end();
        expect(await readWord(channel)).toEqual({ word: 'end' });
      }
    });

    it('are understood by a server however they are cut', async () => {
      const { channel, visit } = await serverWithChannel(world);
      const answer = Buffer.concat([data('first'), data('second'), END]);
      for (let cut = 1; cut < answer.length; cut++) {
        const visitor = await visit();
        if (cut === 1) await channel.read(4);
        expect((await readWord(channel)).word).toBe('start');
        await channel.write(answer.subarray(0, cut));
        await turn();
        await channel.write(answer.subarray(cut));
        expect((await visitor.rest()).toString()).toBe('firstsecond');
        await visitor.end();
        expect(await readWord(channel)).toEqual({ word: 'end' });
      }
    });

    it('of two visitors may come in one read', async () => {
      const { channel, local } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const first = await local.next();
      await first.end();
      expect(await readWord(channel)).toEqual({ word: 'end' });
      await channel.write(Buffer.concat([data('a'), END, start(2), data('b'), END]));
      const second = await local.next();
      expect((await first.rest()).toString()).toBe('a');
      expect((await second.rest()).toString()).toBe('b');
    });

    it('START may be followed by bytes in the same write, and by END at once', async () => {
      const { channel, local } = await clientWithChannel(world);
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), data('request'), END]));
      const served = await local.next();
      expect((await served.rest()).toString()).toBe('request');
      await served.write('answer');
      await served.end();
      expect(await readAll(channel)).toEqual({ bytes: Buffer.from('answer'), end: 'end' });
    });

    it('trailing bytes of a START are skipped, up to its bound', async () => {
      const { channel, local } = await clientWithChannel(world);
      await channel.write(PUT_TO_USE);
      for (const [number, extra] of [1, 7, 1_024 - 21].entries()) {
        const trailing = Buffer.alloc(extra, 0xff);
        await channel.write(start(number + 1, undefined, undefined, trailing));
        await channel.write(Buffer.concat([data('x'), END]));
        const served = await local.next();
        expect((await served.rest()).toString()).toBe('x');
        await served.end();
        expect(await readWord(channel)).toEqual({ word: 'end' });
      }
    });

    it("v1's start is understood on a channel that has not been put to use", async () => {
      const { channel, local } = await clientWithChannel(world);
      await channel.write(Buffer.concat([START_TCP, Buffer.from('plain')]));
      const served = await local.next();
      expect((await served.read(5)).toString()).toBe('plain');
      await served.write('bytes');
      expect((await channel.read(5)).toString()).toBe('bytes');
    });

    it('without addresses the number is all that START has, both ways', async () => {
      const at = await serverWithChannel(world, { service: { addresses: false } });
      await at.visit();
      await at.channel.read(4);
      const word = await readWord(at.channel);
      expect(word).toEqual({ word: 'start', visitor: 1n, from: undefined, to: undefined });
      const { channel, client, local } = await clientWithChannel(world, {
        addresses: false,
        accessLog: true,
      });
      const number = Buffer.alloc(8);
      number.writeBigUInt64LE(1n);
      await channel.write(Buffer.concat([PUT_TO_USE, startOf(number), data('x'), END]));
      const served = await local.next();
      expect((await served.rest()).toString()).toBe('x');
      await served.end();
      expect((await event(client.rig, 'visitor_end')).visitor).toBeUndefined();
    });
  });
}
