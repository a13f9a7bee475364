/** Ends are exact: who aborted is told at the other end, and the channel goes on where it can. */
import { describe, expect, it } from 'vitest';
import type { EndReason } from '../../ts/engine/reason.ts';
import type { Limits } from '../../ts/limits.ts';
import type { Peer } from '../helpers/peer.ts';
import { gaveUpFrame } from '../helpers/peer-frames.ts';
import { PeerListener } from '../helpers/peer-listener.ts';
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
import { freePort } from '../helpers/process-ports.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import type { TunnelProxy } from '../helpers/tunnel-proxy.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, publicAddress, statsOf } from './control-plane.ts';
import {
  clientWithChannel,
  finishUse,
  nothingComes,
  readPayload,
  serverWithChannel,
  serveUse,
  TOLD_BY_CLIENT,
  TOLD_BY_SERVER,
} from './reuse-scenes.ts';
import type { Tunnel, TunnelOptions, World } from './world.ts';

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

  describe('a channel that is lost', () => {
    it('in a use ends that use at both ends with channel_reset, and no other', async () => {
      const { server, client, pair, proxy } = await counted();
      const [one, other] = [await pair(), await pair()];
      await one.visitor.write('x');
      await one.local.read(1);
      // The control channel is the oldest; the floor of one was given to the first visitor.
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

  /** The same number; one that says nothing may be answered by what it is read as. */
  function expectAnswer(word: Word, number: number, told: EndReason): void {
    if (word.word !== 'abort') throw new Error(`${word.word} instead of an answer`);
    expect(told === 'channel_reset' ? [number, 0] : [number]).toContain(word.reason);
  }

  /** The next visitor, its START read. */
  async function afterStart(channel: Peer, visit: () => Promise<Peer>): Promise<Peer> {
    const visitor = await visit();
    expect((await readWord(channel)).word).toBe('start');
    return visitor;
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
}
