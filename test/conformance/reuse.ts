/** One channel serves visitor after visitor: whose they are, where one ends and the next begins. */
import { describe, expect, it } from 'vitest';
import { START_TCP } from '../../ts/protocol/wire.ts';
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
  startOf,
  u32,
} from '../helpers/peer-words.ts';
import { turn, until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, statsOf } from './control-plane.ts';
import {
  clientWithChannel,
  finishUse,
  nothingComes,
  readAll,
  serverWithChannel,
} from './reuse-scenes.ts';
import type { World } from './world.ts';

const VISITORS = 60;
/** One frame of a transport, at most. */
const PIECE = Buffer.alloc(32_768);
const FLOOR = 1;
/** Its control channel, the floor, one in use, and one asked for while both were. */
const CONNECTIONS = 1 + FLOOR + 1 + 1;

export function reuse(world: World): void {
  describe('a reused channel', () => {
    it('serves visitors one after the other, each with its own bytes', async () => {
      let connections = (): number => 0;
      const echo = await world.echo();
      const { server, client, visit } = await world.tunnel({
        local: echo.address,
        limits: { poolFloor: FLOOR },
        via: async (address) => {
          const proxy = await world.tunnelProxy(address);
          connections = () => proxy.connections;
          return proxy.address;
        },
      });
      for (let number = 0; number < VISITORS; number++) {
        const visitor = await visit();
        const tag = Buffer.alloc(1 + number * 37, `visitor ${number} `);
        await visitor.write(tag);
        await visitor.end();
        expect((await visitor.rest()).equals(tag)).toBe(true);
        await until(() => endsOf(server.engine, 'visitor_fin') === number + 1, 'its end');
        await until(() => endsOf(client.engine, 'visitor_fin') === number + 1, 'its end there');
      }
      expect(connections()).toBeLessThanOrEqual(CONNECTIONS);
      const bytes = (VISITORS * (VISITORS - 1) * 37) / 2 + VISITORS;
      const all = { visitorsTotal: VISITORS, visitorsOpen: 0, bytesIn: bytes, bytesOut: bytes };
      expect(statsOf(server.engine)).toMatchObject(all);
      expect(statsOf(client.engine)).toMatchObject(all);
    });

    it('is put to use once; each START has its number, whose it is and where it came in', async () => {
      const { channel, visit, address } = await serverWithChannel(world);
      for (let number = 1; number <= 5; number++) {
        const visitor = await visit();
        if (number === 1) expect(await channel.read(4)).toEqual(PUT_TO_USE);
        expect(await readWord(channel)).toEqual({
          word: 'start',
          visitor: BigInt(number),
          from: { host: '127.0.0.1', port: visitor.localPort },
          to: address,
        });
        await finishUse(channel, visitor, `visitor ${number}`);
      }
    });

    it('tells the addresses of IPv6, and those of IPv4 at a listener of both as IPv4', async () => {
      for (const [host, to] of [
        ['::1', '::1'],
        ['::ffff:127.0.0.1', '127.0.0.1'],
      ] as const) {
        const service = { bind: { host, port: 0 } };
        const { channel, exposed } = await serverWithChannel(world, { service });
        const port = exposed.service.address?.port ?? 0;
        const visitor = await world.connect({ host: to, port });
        await channel.read(4);
        expect(await readWord(channel)).toMatchObject({
          from: { host: to, port: visitor.localPort },
          to: { host: to, port },
        });
      }
    });

    it('shows the visitor, and no other, in the access log of the client', async () => {
      const { server, client, pair } = await world.tunnel({ accessLog: true });
      const ports: number[] = [];
      for (let number = 0; number < 3; number++) {
        const { visitor, local } = await pair();
        ports.push(visitor.localPort);
        await visitor.end();
        await local.fin();
        await local.end();
        await until(() => eventsOf(client.rig, 'visitor_end').length === number + 1, 'its end');
      }
      const told = (rig: typeof client.rig) =>
        eventsOf(rig, 'visitor_end').map(({ visitor }) => visitor);
      const expected = ports.map((port) => ({ host: '127.0.0.1', port }));
      expect(told(client.rig)).toEqual(expected);
      await until(() => eventsOf(server.rig, 'visitor_end').length === 3, 'its ends here');
      expect(told(server.rig)).toEqual(expected);
    });

    it('carries half-closes of either side, again and again', async () => {
      const { server, client, pair } = await world.tunnel({ limits: { poolFloor: FLOOR } });
      for (let round = 0; round < 4; round++) {
        for (const [first, reason] of [
          ['visitor', 'visitor_fin'],
          ['local', 'local_fin'],
        ] as const) {
          const both = await pair();
          const [one, other] =
            first === 'visitor' ? [both.visitor, both.local] : [both.local, both.visitor];
          await one.write(`first ${round}`);
          await one.end();
          expect((await other.rest()).toString()).toBe(`first ${round}`);
          await other.write(`second ${round}`);
          await other.end();
          expect((await one.rest()).toString()).toBe(`second ${round}`);
          await until(() => endsOf(server.engine, reason) === round + 1, 'its end');
          await until(() => endsOf(client.engine, reason) === round + 1, 'its end there');
        }
      }
    });

    it('has no byte of an earlier visitor for a later one, were they aborted in any way', async () => {
      const { server, pair } = await world.tunnel({ limits: { poolFloor: FLOOR } });
      for (let round = 0; round < 12; round++) {
        const { visitor, local } = await pair();
        const [there, back] = [Buffer.alloc(900, 1 + round), Buffer.alloc(900, 101 + round)];
        await Promise.all([visitor.write(there), local.write(back)]);
        expect((await local.read(900)).equals(there)).toBe(true);
        expect((await visitor.read(900)).equals(back)).toBe(true);
        // Under way when it ends.
        visitor.socket.write(Buffer.alloc(2_000, 1 + round));
        local.socket.write(Buffer.alloc(2_000, 101 + round));
        if (round % 3 === 0) await visitor.reset();
        else if (round % 3 === 1) await local.reset();
        else await Promise.all([visitor.reset(), local.reset()]);
        await until(() => statsOf(server.engine).visitorsOpen === 0, 'its end');
      }
    });
  });

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
      const length = 32 * 1_024 * 1_024;
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

  describe('JavaScript', () => {
    it('sleeps while visitors come and go', async () => {
      const echo = await world.echo();
      const limits = { poolFloor: 4 };
      const { server, client, exposed, visit } = await world.tunnel({
        local: echo.address,
        limits,
      });
      const one = async (tag: string): Promise<void> => {
        const visitor = await visit();
        await visitor.write(tag);
        await visitor.end();
        expect((await visitor.rest()).toString()).toBe(tag);
      };
      await one('first');
      await event(server.rig, 'bound');
      const before = [server.rig.events.length, client.rig.events.length];
      for (let round = 0; round < 50; round++) {
        await Promise.all([0, 1, 2, 3].map((each) => one(`visitor ${round} ${each}`)));
      }
      await until(() => endsOf(client.engine, 'visitor_fin') === 201, 'all have ended');
      expect([server.rig.events.length, client.rig.events.length]).toEqual(before);
      for (const session of [...exposed.sessions, ...client.sessions]) {
        expect(session).toMatchObject({ surplus: 0, reasons: [] });
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
