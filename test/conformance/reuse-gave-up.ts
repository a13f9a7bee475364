/** Uses that end where no ABORT may be sent any more: by a frame on the control channel. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import { gaveUpFrame } from '../helpers/peer-frames.ts';
import { ABORTED, data, END, PUT_TO_USE, readWord, start } from '../helpers/peer-words.ts';
import { until } from '../helpers/until.ts';
import { event } from './control-plane.ts';
import {
  afterStart,
  clientWithChannel,
  finishUse,
  nothingComes,
  readPayload,
  serverWithChannel,
} from './reuse-scenes.ts';
import type { World } from './world.ts';

/** What may be sent in a use for an ABORT to be allowed behind it. */
const IN_BAND = 65_536;

export function reuseGaveUp(world: World): void {
  describe('gave up', () => {
    it('is said by a server behind more than 64 KiB, and the channel is left to the peer', async () => {
      const { channel, client, server, visit } = await serverWithChannel(world, {
        accessLog: true,
      });
      await bulkToClient(channel, await visit(), client);
      expect(client.gaveUp).toEqual([{ visitor: 1n, reason: ABORTED.reset }]);
      await nothingComes(channel);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_reset');
      await channel.reset();
      const fresh = await world.rawChannel(client);
      const visitor = await visit();
      await fresh.read(4);
      expect(await readWord(fresh)).toMatchObject({ word: 'start', visitor: 2n });
      await finishUse(fresh, visitor, 'next');
    });

    it('a server closes the channel itself when the peer does not', async () => {
      const limits = { channelSettleMs: 100 };
      const { channel, client, visit } = await serverWithChannel(world, { limits });
      await bulkToClient(channel, await visit(), client);
      await channel.over();
      expect(channel.ended).toBe(false);
    });

    it('is said by a server behind its END: a visitor that half-closed and then reset', async () => {
      const { channel, client, server, visit } = await serverWithChannel(world, {
        accessLog: true,
      });
      const visitor = await visit();
      await visitor.end();
      await channel.read(4);
      await readWord(channel);
      expect(await readWord(channel)).toEqual({ word: 'end' });
      visitor.raw.resetAndDestroy();
      await until(() => {
        // Only who writes to it learns of that RST on every system.
        if (client.gaveUp.length === 0) channel.socket.write(data('x'));
        return client.gaveUp.length > 0;
      }, 'gave up');
      expect(client.gaveUp).toEqual([{ visitor: 1n, reason: ABORTED.reset }]);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_reset');
    });

    it('is said by a client behind more than 64 KiB', async () => {
      const { channel, server, client, local } = await clientWithChannel(world, {
        accessLog: true,
      });
      await channel.write(Buffer.concat([PUT_TO_USE, start(7)]));
      const served = await local.next();
      await served.write(Buffer.alloc(IN_BAND + 1));
      await readPayload(channel, IN_BAND + 1);
      await served.reset();
      await until(() => server.gaveUp.length > 0, 'gave up');
      expect(server.gaveUp).toEqual([{ visitor: 7n, reason: ABORTED.reset }]);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('local_reset');
      await nothingComes(channel);
    });

    it('to a server resets that visitor with that reason and closes that channel alone', async () => {
      const { channel, client, server, visit } = await serverWithChannel(world, {
        accessLog: true,
      });
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      const other = await world.rawChannel(client);
      const untouched = await visit();
      await other.read(4);
      expect(await readWord(other)).toMatchObject({ visitor: 2n });
      await client.control.write(gaveUpFrame(1, ABORTED.reset));
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('local_reset');
      await channel.over();
      expect(channel.ended).toBe(false);
      await finishUse(other, untouched, 'untouched');
    });

    it('to a client resets that local connection with that reason and closes that channel alone', async () => {
      const { channel, server, client, local } = await clientWithChannel(world, {
        accessLog: true,
      });
      await server.create();
      const other = await server.rawChannel();
      await channel.write(Buffer.concat([PUT_TO_USE, start(1)]));
      const served = await local.next();
      await other.write(Buffer.concat([PUT_TO_USE, start(2)]));
      const untouched = await local.next();
      await server.control.write(gaveUpFrame(1, ABORTED.drain));
      await served.gone();
      expect(served.wasReset).toBe(true);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('drain');
      await channel.over();
      expect(channel.ended).toBe(false);
      await other.write(Buffer.concat([data('still'), END]));
      expect((await untouched.rest()).toString()).toBe('still');
    });

    it('of a use that there is not, or no more, is nothing', async () => {
      const { channel, client, visit, exposed } = await serverWithChannel(world);
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await finishUse(channel, visitor, 'first');
      for (const number of [0, 1, 99, 2n ** 64n - 1n]) {
        await client.control.write(gaveUpFrame(number, ABORTED.reset));
      }
      await finishUse(channel, await afterStart(channel, visit), 'second');
      expect(exposed.sessions[0]?.reasons).toEqual([]);
    });
  });
}

/** A first visitor has sent more than may lie before an ABORT, and resets. */
async function bulkToClient(
  channel: Peer,
  visitor: Peer,
  client: { readonly gaveUp: readonly unknown[] },
): Promise<void> {
  await channel.read(4);
  await readWord(channel);
  await visitor.write(Buffer.alloc(IN_BAND + 1));
  await readPayload(channel, IN_BAND + 1);
  await visitor.reset();
  await until(() => client.gaveUp.length > 0, 'gave up');
}
