/** Ends are exact: who aborted is told at the other end, and the channel goes on where it can. */
import { describe, expect, it } from 'vitest';
import { PeerListener } from '../helpers/peer-listener.ts';
import { data, PUT_TO_USE, readWord, start } from '../helpers/peer-words.ts';
import { freePort } from '../helpers/process-ports.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import type { TunnelProxy } from '../helpers/tunnel-proxy.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, publicAddress, statsOf } from './control-plane.ts';
import { clientWithChannel, serverWithChannel } from './reuse-scenes.ts';
import { type Tunnel, type TunnelOptions, untilReady, type World } from './world.ts';

const BULK = 1_024 * 1_024;
/** What may be sent in a use for an ABORT to be allowed behind it. */
const IN_BAND = 65_536;

export function reuseEnds(world: World): void {
  /** A tunnel with a floor of one, and the proxy between its ends. */
  const counted = async (
    options: TunnelOptions = {},
  ): Promise<Tunnel & { readonly proxy: TunnelProxy }> => {
    let proxy: TunnelProxy | undefined;
    const limits = { poolFloor: 1, ...options.limits };
    const via = async (address: { host: string; port: number }) => {
      proxy = await world.tunnelProxy(address);
      return proxy.address;
    };
    const tunnel = await world.tunnel({ accessLog: true, ...options, limits, via });
    if (proxy === undefined) throw new Error('no proxy');
    return { ...tunnel, proxy };
  };

  describe('a local service that cannot be had', () => {
    it('refuses: the visitor is reset, both ends say local_refused, the channel goes on', async () => {
      const port = await freePort();
      const { server, client, exposed, visit, proxy } = await counted({
        local: { host: '127.0.0.1', port },
      });
      const address = await publicAddress(exposed);
      const refused = 20;
      for (let count = 1; count <= refused; count++) {
        const visitor = world.attempt(address);
        await visitor.gone();
        expect(visitor.wasReset).toBe(true);
        await until(() => endsOf(server.engine, 'local_refused') === count, 'local_refused');
        await until(() => endsOf(client.engine, 'local_refused') === count, 'the same there');
      }
      expect(proxy.connections).toBeLessThanOrEqual(4);
      const back = await PeerListener.open({ port });
      world.defer(back, (it) => it.close());
      const visitor = await visit();
      await visitor.write('hello');
      expect((await (await back.next()).read(5)).toString()).toBe('hello');
      expect(proxy.connections).toBeLessThanOrEqual(4);
    });

    it('does not answer: local_timeout at both ends', async () => {
      const stuck = world.defer(await StuckListener.open(), (it) => it.close());
      const { server, visit } = await counted({
        local: stuck.address,
        limits: { localConnectTimeoutMs: 150 },
      });
      const visitor = await visit();
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('local_timeout');
    });

    it('cannot be resolved: local_unreachable at both ends', async () => {
      const { server, visit } = await counted({ local: { host: 'no-such-name.invalid', port: 1 } });
      const visitor = await visit();
      await visitor.gone();
      expect((await event(server.rig, 'visitor_end')).reason).toBe('local_unreachable');
    });

    it('more visitors than the client serves: visitor_limit at both ends', async () => {
      const local = await world.listener();
      const server = await world.server({ accessLog: true });
      const exposed = server.expose();
      const rig = await world.engine({ limits: { visitorsPerService: 1 } }, 'client');
      await world.clientSide(rig, { local: local.address }).connect(server.address);
      const address = await publicAddress(exposed);
      await world.connect(address);
      await local.next();
      const extra = world.attempt(address);
      await extra.gone();
      expect(extra.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('visitor_limit');
    });
  });

  describe('RST', () => {
    it.each([
      ['the visitor', 'visitor_reset'],
      ['the local service', 'local_reset'],
    ] as const)(
      'of %s is RST at the other end and %s at both, again and again',
      async (who, reason) => {
        const { server, client, pair, proxy } = await counted();
        const rounds = 10;
        for (let count = 1; count <= rounds; count++) {
          const { visitor, local } = await pair();
          await visitor.write('ping');
          await local.read(4);
          await local.write('pong');
          await visitor.read(4);
          const [one, other] = who === 'the visitor' ? [visitor, local] : [local, visitor];
          await one.reset();
          await other.gone();
          expect(other.ended).toBe(false);
          expect(other.wasReset).toBe(true);
          await until(() => endsOf(server.engine, reason) === count, 'its end');
          await until(() => endsOf(client.engine, reason) === count, 'its end there');
        }
        expect(proxy.connections).toBeLessThanOrEqual(4);
      },
    );

    it.each([
      ['the visitor', 'visitor_reset'],
      ['the local service', 'local_reset'],
    ] as const)(
      'of %s in bulk, the other side not reading: %s at both ends',
      async (who, reason) => {
        const local = await world.listener({ paused: true });
        const { server, client, visit } = await counted({ local: local.address });
        const visitor = await visit({ paused: true });
        const served = await local.next();
        const [one, other] = who === 'the visitor' ? [visitor, served] : [served, visitor];
        one.socket.write(Buffer.alloc(64 * BULK));
        const came = who === 'the visitor' ? ('bytesIn' as const) : ('bytesOut' as const);
        await until(
          () => statsOf(server.engine)[came] > 2 * IN_BAND,
          'more than may lie before ABORT',
        );
        await one.reset();
        await until(() => endsOf(server.engine, reason) === 1, 'its end');
        await until(() => endsOf(client.engine, reason) === 1, 'its end there');
        other.socket.resume();
        await other.over();
        expect(other.ended).toBe(false);
      },
    );
  });

  describe('a channel that is lost', () => {
    it('in a use ends that use at both ends with channel_reset, and no other', async () => {
      const { server, client, pair, proxy } = await counted();
      await untilReady(server.rig, 1);
      const [one, other] = [await pair(), await pair()];
      await one.visitor.write('x');
      await one.local.read(1);
      // The control channel is the oldest; then comes the one that was ready for the first visitor.
      const [, lost] = proxy.open;
      if (lost === undefined) throw new Error('no channel');
      proxy.cut(lost);
      await Promise.all([one.visitor.gone(), one.local.gone()]);
      expect(one.visitor.wasReset && one.local.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('channel_reset');
      expect((await event(client.rig, 'visitor_end')).reason).toBe('channel_reset');
      await other.visitor.write('still');
      expect((await other.local.read(5)).toString()).toBe('still');
    });

    it('by FIN in a use is lost as well', async () => {
      const { channel, server, visit } = await serverWithChannel(world, { accessLog: true });
      const visitor = await visit();
      await channel.read(4);
      await readWord(channel);
      await channel.write(data('half'));
      await channel.end();
      await visitor.over();
      expect(visitor.ended).toBe(false);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('channel_reset');
    });

    it('by FIN in a use is lost for a local service, too', async () => {
      const { channel, client, local } = await clientWithChannel(world, { accessLog: true });
      await channel.write(Buffer.concat([PUT_TO_USE, start(1), data('half')]));
      const served = await local.next();
      await channel.end();
      await served.over();
      expect(served.ended).toBe(false);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('channel_reset');
    });
  });
}
