/** One channel serves visitor after visitor: whose they are, where one ends and the next begins. */
import { describe, expect, it } from 'vitest';
import { PUT_TO_USE, readWord } from '../helpers/peer-words.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, statsOf } from './control-plane.ts';
import { finishUse, serverWithChannel } from './reuse-scenes.ts';
import type { World } from './world.ts';

const VISITORS = 60;
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
