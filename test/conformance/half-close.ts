/** FIN passes as FIN, RST as RST, each in its own direction and with its own reason. */
import { describe, expect, it } from 'vitest';
import { START_TCP } from '../../ts/protocol/wire.ts';
import type { Peer } from '../helpers/peer.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event } from './control-plane.ts';
import { untilReady, type World } from './world.ts';

export function halfClose(world: World): void {
  describe('half-close', () => {
    it('keeps the local service speaking after the visitor ended', async () => {
      const { server, client, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      await visitor.write('request');
      await visitor.end();
      expect((await local.rest()).toString()).toBe('request');
      await local.write('a long ');
      expect((await visitor.read(7)).toString()).toBe('a long ');
      await local.write('answer');
      await local.end();
      expect((await visitor.rest()).toString()).toBe('answer');
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_fin');
      expect((await event(client.rig, 'visitor_end')).reason).toBe('visitor_fin');
    });

    it('keeps the visitor speaking after the local service ended', async () => {
      const { server, client, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      await local.write('banner');
      await local.end();
      expect((await visitor.rest()).toString()).toBe('banner');
      await visitor.write('still here');
      expect((await local.read(10)).toString()).toBe('still here');
      await visitor.end();
      await local.fin();
      expect((await event(server.rig, 'visitor_end')).reason).toBe('local_fin');
      expect((await event(client.rig, 'visitor_end')).reason).toBe('local_fin');
    });

    it('carries a FIN without any data both ways', async () => {
      const { server, pair } = await world.tunnel();
      const { visitor, local } = await pair();
      await visitor.end();
      expect(await local.rest()).toHaveLength(0);
      await local.end();
      expect(await visitor.rest()).toHaveLength(0);
      await until(() => endsOf(server.engine, 'visitor_fin') === 1, 'visitor_fin');
    });

    it('delivers megabytes that were under way when FIN was sent', async () => {
      const { pair } = await world.tunnel();
      const { visitor, local } = await pair();
      const bytes = Buffer.alloc(4 * 1_024 * 1_024, 'x');
      void visitor.write(bytes);
      void visitor.end();
      expect(await local.rest()).toHaveLength(bytes.length);
      void local.write(bytes);
      void local.end();
      expect(await visitor.rest()).toHaveLength(bytes.length);
    });

    it('keeps request and FIN of a visitor that ended while it waited', async () => {
      const { client, visit } = await world.serverScene();
      const visitor = await visit();
      await visitor.write('request');
      await visitor.end();
      await client.untilCreates(9);
      const channel = await world.channel(client);
      const sent = await channel.rest();
      expect(sent).toEqual(Buffer.concat([START_TCP, Buffer.from('request')]));
      await channel.write('answer');
      await channel.end();
      expect((await visitor.rest()).toString()).toBe('answer');
    });

    it('pairs a visitor that sent only FIN when a channel is ready', async () => {
      const { server, client, visit } = await world.serverScene();
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      const visitor = await visit();
      await visitor.end();
      expect(await channel.rest()).toEqual(Buffer.from(START_TCP));
      await channel.write('banner');
      await channel.end();
      expect((await visitor.rest()).toString()).toBe('banner');
    });

    it('ends a half-closed visitor whose other direction stays silent', async () => {
      // A scripted client: of two engines with the same limit, either may be first.
      const limits = { halfCloseIdleMs: 150, channelSettleMs: 150 };
      const { server, client, visit } = await world.serverScene({ limits });
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      const visitor = await visit();
      await visitor.end();
      expect(await channel.rest()).toEqual(Buffer.from(START_TCP));
      await visitor.gone();
      // Behind its END no ABORT may come.
      if (world.isReuse) await until(() => client.gaveUp[0]?.reason === 5, 'gave up');
      await broken(channel);
      await until(
        () => endsOf(server.rig.engine, 'half_close_timeout') === 1,
        'half_close_timeout',
      );
    });
  });

  describe('reset', () => {
    it('turns a RST of the visitor into one at the local service', async () => {
      const { server, client, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      await visitor.write('x');
      await local.read(1);
      await visitor.reset();
      await local.gone();
      expect(local.ended).toBe(false);
      expect(local.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_reset');
      const told = world.isReuse ? 'visitor_reset' : 'channel_reset';
      expect((await event(client.rig, 'visitor_end')).reason).toBe(told);
    });

    it('turns a RST of the local service into one at the visitor', async () => {
      const { server, client, pair } = await world.tunnel({ accessLog: true });
      const { visitor, local } = await pair();
      await visitor.write('x');
      await local.read(1);
      await local.reset();
      await visitor.gone();
      expect(visitor.ended).toBe(false);
      expect(visitor.wasReset).toBe(true);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('local_reset');
      const told = world.isReuse ? 'local_reset' : 'channel_reset';
      expect((await event(server.rig, 'visitor_end')).reason).toBe(told);
    });

    it('turns a RST of the data channel into one at the visitor', async () => {
      const { server, client, visit } = await world.serverScene({ accessLog: true });
      const channel = await world.channel(client);
      const visitor = await visit();
      await channel.read(4);
      await channel.reset();
      await visitor.gone();
      expect(visitor.ended).toBe(false);
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('channel_reset');
    });

    it('does not pass for a clean end: a RST in bulk is a RST at the other end', async () => {
      const { pair } = await world.tunnel();
      const { visitor, local } = await pair();
      visitor.socket.write(Buffer.alloc(1_024 * 1_024));
      await local.until(() => local.received > 0, 'the first bytes');
      await visitor.reset();
      await local.gone();
      expect(local.ended).toBe(false);
      expect(local.wasReset).toBe(true);
    });

    it('does not take a RST right behind bytes for a clean end', async () => {
      const { server, client, visit } = await world.serverScene({ accessLog: true });
      const channel = await world.channel(client);
      const visitor = await visit();
      await channel.read(4);
      channel.socket.write('truncat');
      await channel.reset();
      await visitor.over();
      expect(visitor.ended).toBe(false);
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('channel_reset');
    });
  });
}

/** A socket that has read FIN learns of a RST only by writing. */
async function broken(peer: Peer): Promise<void> {
  await until(() => {
    if (!peer.closed) peer.socket.write('x');
    return peer.closed;
  }, 'the end of a connection that is written to');
}
