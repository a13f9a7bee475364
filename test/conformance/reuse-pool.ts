/** The pool of reusable channels: the last used first, replaced in time, as many as there is demand for. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import { data, END, readWord } from '../helpers/peer-words.ts';
import { until } from '../helpers/until.ts';
import { endsOf, statsOf } from './control-plane.ts';
import { finishUse, serverWithChannel } from './reuse-scenes.ts';
import { untilReady, type World } from './world.ts';

export function reusePool(world: World): void {
  describe('a pool of reusable channels', () => {
    it('gives out the channel that was used last, and counts it as ready', async () => {
      const { channel, client, server, visit } = await serverWithChannel(world, {
        limits: { poolFloor: 2 },
      });
      const other = await world.rawChannel(client);
      await untilReady(server.rig, 2);
      for (let number = 1; number <= 4; number++) {
        const visitor = await visit();
        if (number === 1) await other.read(4);
        expect(await readWord(other)).toMatchObject({ word: 'start', visitor: BigInt(number) });
        await finishUse(other, visitor, 'x');
        await untilReady(server.rig, 2);
      }
      expect(channel.received).toBe(0);
      expect(statsOf(server.engine)).toMatchObject({
        poolHits: 4,
        poolMisses: 0,
        visitorsTotal: 4,
      });
    });

    it('does not ask for what comes back by itself', async () => {
      const { channel, client, server, visit } = await serverWithChannel(world);
      for (let number = 1; number <= 20; number++) {
        const visitor = await visit();
        if (number === 1) await channel.read(4);
        await readWord(channel);
        await finishUse(channel, visitor, 'x');
        await untilReady(server.rig, 1);
      }
      // The floor, and one beside the channel that is in use.
      expect(client.creates).toBe(2);
    });

    it.each<[string, (channel: Peer) => Promise<unknown>]>([
      ['FIN', (channel) => channel.end()],
      ['RST', (channel) => channel.reset()],
      ['bytes', (channel) => channel.write(data('?'))],
      ['END', (channel) => channel.write(END)],
    ])(
      'replaces a used channel that got %s while idle, and no visitor meets it',
      async (_how, act) => {
        const { channel, client, server, visit } = await serverWithChannel(world);
        const visitor = await visit();
        await channel.read(4);
        await readWord(channel);
        await finishUse(channel, visitor, 'first');
        await untilReady(server.rig, 1);
        const asked = client.creates;
        await act(channel);
        await until(() => statsOf(server.engine).poolReady === 0, 'it has left the pool');
        // One that was asked for while the other was in use is still to come: it will do.
        expect(client.creates).toBeGreaterThanOrEqual(asked);
        const next = await visit();
        await next.write('second');
        const fresh = await world.rawChannel(client);
        await fresh.read(4);
        expect(await readWord(fresh)).toMatchObject({ word: 'start', visitor: 2n });
        expect(await readWord(fresh)).toEqual({ word: 'data', bytes: Buffer.from('second') });
        await channel.over();
      },
    );

    it('retires a channel after so many uses, and asks for another', async () => {
      const limits = { channelUses: 3 };
      const { channel, client, server, visit } = await serverWithChannel(world, { limits });
      for (let number = 1; number <= 3; number++) {
        const visitor = await visit();
        if (number === 1) await channel.read(4);
        await readWord(channel);
        await finishUse(channel, visitor, 'x');
      }
      await channel.over();
      const fresh = await world.rawChannel(client);
      const visitor = await visit();
      await fresh.read(4);
      expect(await readWord(fresh)).toMatchObject({ word: 'start', visitor: 4n });
      await finishUse(fresh, visitor, 'x');
      expect(endsOf(server.engine, 'visitor_fin')).toBe(4);
    });

    it('retires a channel of a certain age when its use has ended, not before', async () => {
      const limits = { channelAgeMs: 50 };
      const { channel, visit } = await serverWithChannel(world, { limits });
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      const since = Date.now();
      await until(() => Date.now() - since > 60, 'it is old');
      await finishUse(channel, visitor, 'still served');
      await channel.over();
    });

    it('serves every visitor while channels are retired all the time', async () => {
      let connections = (): number => 0;
      const echo = await world.echo();
      const visitors = 40;
      const { server, visit } = await world.tunnel({
        local: echo.address,
        limits: { channelUses: 3, poolFloor: 2 },
        via: async (address) => {
          const proxy = await world.tunnelProxy(address);
          connections = () => proxy.connections;
          return proxy.address;
        },
      });
      for (let number = 0; number < visitors; number += 4) {
        const four = [0, 1, 2, 3].map(async (each) => {
          const visitor = await visit();
          await visitor.write(`visitor ${number + each}`);
          await visitor.end();
          expect((await visitor.rest()).toString()).toBe(`visitor ${number + each}`);
        });
        await Promise.all(four);
      }
      await until(() => endsOf(server.engine, 'visitor_fin') === visitors, 'all have ended');
      expect(connections()).toBeGreaterThanOrEqual(visitors / 3);
    });

    it('closes what is idle beyond its ceiling', async () => {
      const local = await world.listener();
      const limits = { poolFloor: 2, reuseCeiling: 4 };
      const { server, client, visit } = await world.tunnel({ local: local.address, limits });
      const visitors = await Promise.all(Array.from({ length: 12 }, () => visit()));
      const locals = await Promise.all(visitors.map(() => local.next()));
      await Promise.all(locals.map((each) => each.end()));
      await Promise.all(visitors.map((each) => each.end()));
      await until(
        () => endsOf(server.engine, 'local_fin') + endsOf(server.engine, 'visitor_fin') === 12,
        'all have ended',
      );
      await until(() => statsOf(server.engine).poolReady <= 4, 'four at most');
      await until(() => endsOf(client.engine, 'channel_eof') >= 8, 'the client has seen their end');
    });
  });
}
