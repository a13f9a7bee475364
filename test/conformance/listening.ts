/** The tunnel listener: who is let in, for how long, and that nobody waits for a stranger. */
import { describe, expect, it } from 'vitest';
import { HELLO_RULE, serverRoutine } from '../../ts/control/routines.ts';
import type { ControlStream } from '../../ts/engine/engine.ts';
import type { EndReason } from '../../ts/engine/reason.ts';
import {
  ACK_BAD_TOKEN,
  encodeControlHello,
  encodeDataHello,
  HELLO_LENGTH,
  serviceDigest,
  sessionKey,
} from '../../ts/protocol/wire.ts';
import { turn, until } from '../helpers/until.ts';
import { event, statsOf, TRANSPORT } from './control-plane.ts';
import { refuses } from './sessions.ts';
import { untilReady, type World } from './world.ts';

const BIND = { host: '127.0.0.1', port: 0 };

export function listening(world: World): void {
  describe('tunnel listener', () => {
    it('hands a control hello up, with the stream just behind it', async () => {
      const { engine } = await world.engine();
      const seen: { digest: Uint8Array; stream: ControlStream }[] = [];
      const listener = await engine.listen(
        { bind: BIND, transport: TRANSPORT, hello: HELLO_RULE },
        { control: (digest, stream) => seen.push({ digest, stream }) },
      );
      const peer = await world.connect(listener.address);
      const digest = serviceDigest('any');
      await peer.write(Buffer.concat([encodeControlHello(digest), Buffer.from('behind')]));
      const { stream, ...hello } = await until(() => seen[0], 'the control hello');
      expect(Buffer.from(hello.digest)).toEqual(Buffer.from(digest));
      expect(stream.peer).toEqual({ host: '127.0.0.1', port: peer.localPort });
      expect(Buffer.from(await stream.read(6)).toString()).toBe('behind');
      await stream.write(Buffer.from('answer'));
      expect((await peer.read(6)).toString()).toBe('answer');
    });

    it('understands a hello that comes byte by byte', async () => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      for (const byte of encodeControlHello(serviceDigest('x'))) {
        await peer.write(Uint8Array.of(byte));
        await turn();
      }
      await peer.read(HELLO_LENGTH, 'the answer');
    });

    it('W10: ends a connection whose hello does not come in time', async () => {
      const server = await world.server({ limits: { handshakeTimeoutMs: 80 } });
      const peer = await world.connect(server.address);
      await peer.write(encodeControlHello(serviceDigest('x')).subarray(0, 20));
      await peer.over();
      expect((await event(server.rig, 'tunnel_rejected')).reason).toBe('handshake_timeout');
      expect(server.engine.stats()).toMatchObject({
        unauthenticated: 0,
        tunnelRejected: { handshake_timeout: 1 },
      });
    });

    it('W10: ends a connection whose auth does not come in time', async () => {
      const server = await world.server({ limits: { handshakeTimeoutMs: 80 } });
      server.expose();
      const peer = await world.connect(server.address);
      await peer.write(encodeControlHello(serviceDigest('service')));
      await peer.read(HELLO_LENGTH);
      await peer.over();
      expect((await event(server.rig, 'tunnel_rejected')).reason).toBe('handshake_timeout');
      expect(server.engine.stats().unauthenticated).toBe(0);
    });

    it('the deadline ends with the handshake', async () => {
      const limits = { handshakeTimeoutMs: 120 };
      const { exposed, client, server } = await world.serverScene({ limits });
      await world.channel(client);
      await untilReady(server.rig, 1);
      const since = Date.now();
      await until(() => Date.now() - since > 240, 'twice the deadline');
      expect(exposed.sessions[0]?.reasons).toEqual([]);
      expect(statsOf(server.engine).poolReady).toBe(1);
    });

    it.each([
      ['version 0', (hello: Uint8Array) => hello.with(4, 0)],
      ['version 2', (hello: Uint8Array) => hello.with(4, 2)],
      ['kind 7', (hello: Uint8Array) => hello.with(0, 7)],
      ['a kind whose high bytes are set', (hello: Uint8Array) => hello.with(3, 1)],
      ['an HTTP request', () => Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n     ')],
    ])('ends a hello of %s silently, as bad_hello', async (_name, change) => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      await peer.write(change(encodeControlHello(serviceDigest('x'))));
      await peer.over();
      expect(peer.received).toBe(0);
      const rejected = await event(server.rig, 'tunnel_rejected');
      expect(rejected).toMatchObject({ reason: 'bad_hello', count: 1 });
      expect(rejected.peer?.host).toBe('127.0.0.1');
    });

    it('counts a connection that leaves before its hello as handshake_eof', async () => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      await peer.end();
      expect((await event(server.rig, 'tunnel_rejected')).reason).toBe('handshake_eof');
      expect(server.engine.stats().unauthenticated).toBe(0);
    });

    it('counts a connection that leaves between hello and auth as handshake_eof', async () => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      await peer.write(encodeControlHello(serviceDigest('x')));
      await peer.read(HELLO_LENGTH);
      await peer.end();
      await until(() => server.engine.stats().unauthenticated === 0, 'it is gone');
      expect(server.engine.stats().tunnelRejected).toEqual({ handshake_eof: 1 });
    });

    it('counts a refused token or service as refused_auth', async () => {
      const server = await world.server();
      server.expose();
      await expect(world.scriptedClient(server, { token: 'wrong' })).rejects.toThrow('bad_token');
      await until(() => server.engine.stats().unauthenticated === 0, 'it is gone');
      expect(server.engine.stats().tunnelRejected).toEqual({ refused_auth: 1 });
    });

    it('ends a data hello of no session as unknown_session', async () => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      await peer.write(encodeDataHello(sessionKey('t', Buffer.alloc(32))));
      await peer.over();
      expect(peer.received).toBe(0);
      expect((await event(server.rig, 'tunnel_rejected')).reason).toBe('unknown_session');
    });

    it('W1, W2: a silent connection delays nobody, before or after its hello', async () => {
      const server = await world.server();
      const exposed = server.expose();
      for (let index = 0; index < 20; index++) await world.connect(server.address);
      const half = await world.connect(server.address);
      await half.write(encodeControlHello(serviceDigest('service')));
      await half.read(HELLO_LENGTH);
      const client = await world.scriptedClient(server);
      await world.channel(client);
      await untilReady(server.rig, 1);
      expect(server.engine.stats().unauthenticated).toBe(21);
      expect(exposed.sessions).toHaveLength(1);
    });

    it('W14: caps unauthenticated connections of one address', async () => {
      const server = await world.server({ limits: { unauthenticatedPerAddress: 3 } });
      for (let index = 0; index < 3; index++) await world.connect(server.address);
      await until(() => server.engine.stats().unauthenticated === 3, 'three are in');
      const extra = world.attempt(server.address);
      await extra.over();
      const rejected = await event(server.rig, 'tunnel_rejected');
      expect(rejected).toMatchObject({ reason: 'limit_address', count: 1 });
      expect(server.engine.stats()).toMatchObject({
        unauthenticated: 3,
        tunnelRejected: { limit_address: 1 },
      });
    });

    it('W14: caps unauthenticated connections in total', async () => {
      const limits = { unauthenticatedPerAddress: 100, unauthenticatedTotal: 3 };
      const server = await world.server({ limits });
      const held = await Promise.all([0, 1, 2].map(() => world.connect(server.address)));
      await until(() => server.engine.stats().unauthenticated === 3, 'three are in');
      await world.attempt(server.address).over();
      expect((await event(server.rig, 'tunnel_rejected')).reason).toBe('limit_total');
      await held[0]?.end();
      await until(() => server.engine.stats().unauthenticated === 2, 'one has left');
      const peer = await world.connect(server.address);
      await peer.write(encodeControlHello(serviceDigest('x')));
      await peer.read(HELLO_LENGTH);
    });

    it('W14: channels that were asked for do not count against the caps', async () => {
      const limits = { unauthenticatedPerAddress: 2, unauthenticatedTotal: 2 };
      const { server, client } = await world.serverScene({ limits });
      await client.untilCreates(8);
      const silent = [await world.connect(server.address), await world.connect(server.address)];
      await until(() => server.engine.stats().unauthenticated === 2, 'the caps are full');
      await world.channels(client, 8);
      await untilReady(server.rig, 8);
      for (const peer of silent) expect(peer.closed).toBe(false);
      await world.attempt(server.address).over();
      expect((await event(server.rig, 'tunnel_rejected')).reason).toMatch(/^limit_/);
    });

    it('W14: what was asked of a session that has ended is exempt no longer', async () => {
      const limits = { unauthenticatedPerAddress: 2 };
      const { server, exposed, client } = await world.serverScene({ limits });
      await client.untilCreates(8);
      await client.control.end();
      await until(() => exposed.sessions[0]?.reasons.length === 1, 'the end of the session');
      for (let index = 0; index < 3; index++) world.attempt(server.address);
      await until(() => server.engine.stats().tunnelRejected.limit_address === 1, 'the cap holds');
      expect(server.engine.stats().unauthenticated).toBe(2);
    });

    it('W38: a refusal arrives although the client has sent more', async () => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      await peer.write(encodeControlHello(serviceDigest('nobody')));
      await peer.read(HELLO_LENGTH);
      await peer.write(Buffer.alloc(32, 1));
      await peer.write(Buffer.alloc(100_000, 2)).catch(() => undefined);
      expect(await peer.read(4)).toEqual(Buffer.from(ACK_BAD_TOKEN));
      await peer.fin();
    });

    it('closes: the port is free, sessions end with tunnel_closed, visitors stay', async () => {
      const { server, exposed, pair } = await world.tunnel();
      const { visitor, local } = await pair();
      const { address } = server;
      await server.listener?.close({ deadlineMs: 0 });
      expect(await refuses(address)).toBe(true);
      await until(() => exposed.sessions[0]?.reasons[0] === 'tunnel_closed', 'tunnel_closed');
      await visitor.write('still');
      expect((await local.read(5)).toString()).toBe('still');
    });

    it('closes: a session that was attached just before ends with tunnel_closed, too', async () => {
      const { engine } = await world.engine();
      const streams: ControlStream[] = [];
      const listener = await engine.listen(
        { bind: BIND, transport: TRANSPORT, hello: HELLO_RULE },
        { control: (_digest, stream) => streams.push(stream) },
      );
      const count = 8;
      for (let index = 0; index < count; index++) {
        const peer = await world.connect(listener.address);
        await peer.write(encodeControlHello(serviceDigest('x')));
      }
      await until(() => streams.length === count, 'the streams');
      const reasons: EndReason[] = [];
      for (const [index, control] of streams.entries()) {
        const name = `service ${index}`;
        const spec = { name, type: 'tcp', bind: BIND, nodelay: undefined } as const;
        engine.openServerService(spec).attach({
          key: Buffer.alloc(32, index + 1),
          control,
          routine: serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0 }),
          handler: { surplus: () => undefined, ended: (reason) => reasons.push(reason) },
        });
      }
      await listener.close({ deadlineMs: 0 });
      await until(() => reasons.length === count, 'the ends of the sessions');
      expect(new Set(reasons)).toEqual(new Set(['tunnel_closed']));
    });

    it('destroy ends its sessions with destroyed', async () => {
      const { server, exposed } = await world.serverScene();
      server.listener?.destroy();
      await until(() => exposed.sessions[0]?.reasons.length === 1, 'the end of the session');
      expect(exposed.sessions[0]?.reasons).toEqual(['destroyed']);
    });

    it('a data hello is matched at whichever listener it arrives', async () => {
      const { server, client } = await world.serverScene();
      const second = await server.engine.listen(
        { bind: BIND, transport: TRANSPORT, hello: HELLO_RULE },
        { control: () => undefined },
      );
      const peer = await world.connect(second.address);
      await peer.write(encodeDataHello(client.key));
      await untilReady(server.rig, 1);
    });

    it('rejects with WARREN_E_BIND for an address in use, the system error as cause', async () => {
      const taken = await world.listener();
      const { engine } = await world.engine();
      const spec = { bind: taken.address, transport: TRANSPORT, hello: HELLO_RULE };
      await expect(engine.listen(spec, { control: () => undefined })).rejects.toMatchObject({
        code: 'WARREN_E_BIND',
        cause: { code: 'EADDRINUSE' },
      });
    });
  });
}
