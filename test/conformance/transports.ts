/** What a transport's handshake and records can do wrong, from either end. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { EndReason } from '../../ts/engine/reason.ts';
import type { TransportSpec } from '../../ts/engine/spec.ts';
import { WarrenError } from '../../ts/errors.ts';
import { START_TCP } from '../../ts/protocol/wire.ts';
import { roots } from '../helpers/certificates.ts';
import type { Peer } from '../helpers/peer.ts';
import { cut, forge, silentEnd } from '../helpers/peer-damage.ts';
import { turn, until } from '../helpers/until.ts';
import { endsOf, event, eventsOf, sessionEnd, statsOf } from './control-plane.ts';
import { untilReady, type World } from './world.ts';

/** A handshake message of the right length that is none, and how its refusal is called. */
const GARBAGE: Readonly<Record<string, readonly [bytes: Buffer, reason: EndReason]>> = {
  tls: [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'tls_failed'],
  noise: [Buffer.concat([Buffer.of(48, 0), randomBytes(48)]), 'noise_failed'],
  websocket: [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'upgrade_refused'],
  'websocket+tls': [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'tls_failed'],
};

/** A ClientHello of one byte. What is no TLS at all gets no alert from OpenSSL. */
const SHORT_HELLO = Buffer.from('16030100050100000100', 'hex');

/** What a client is told of a server that closes at once: with Noise, the wrong key looks like that. */
const CLOSED: Readonly<Record<string, RegExp>> = {
  tls: /TLS handshake: it may not speak TLS$/,
  noise: /Noise handshake: it may have another pattern, or another key than remote_public_key/,
  websocket: /WebSocket handshake$/,
  'websocket+tls': /TLS handshake: it may not speak TLS$/,
};

/** How an honest handshake begins. */
const BEGINNING: Readonly<Record<string, Buffer>> = {
  tls: Buffer.of(22, 3, 1),
  noise: Buffer.of(48, 0, 1),
  websocket: Buffer.from('GET'),
  'websocket+tls': Buffer.of(22, 3, 1),
};

export function transports(world: World): void {
  const name = world.transportName;
  const [garbage, garbageReason] = GARBAGE[name] ?? [Buffer.alloc(0), 'internal_error'];

  describe('a server and the handshake of the transport', () => {
    it('refuses what is none, counted once, and serves the next', async () => {
      const { server } = await world.serverScene();
      const peer = await world.connect(server.address);
      await peer.write(garbage);
      await peer.over();
      const rejected = await event(server.rig, 'tunnel_rejected');
      expect(rejected).toMatchObject({ reason: garbageReason, count: 1 });
      expect(server.engine.stats().tunnelRejected).toEqual({ [garbageReason]: 1 });
      await world.scriptedClient(server);
    });

    it.each<[string, (peer: Peer) => Promise<void>]>([
      ['before it', (peer) => peer.end()],
      ['within it', (peer) => peer.write(BEGINNING[name] ?? '').then(() => peer.end())],
    ])('FIN %s is handshake_eof', async (_when, act) => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      await act(peer);
      await peer.over();
      await until(() => server.engine.stats().tunnelRejected.handshake_eof === 1, 'handshake_eof');
    });

    // Noise has nothing to say to who does not know the key.
    it.skipIf(name === 'noise')('says so also to who goes on sending', async () => {
      const server = await world.server();
      const peer = await world.connect(server.address);
      const refused = name === 'websocket' ? garbage : SHORT_HELLO;
      await peer.write(Buffer.concat([refused, randomBytes(300_000)]));
      const answer = await peer.rest();
      // An alert, or a status line.
      if (name === 'websocket') expect(answer.toString()).toMatch(/^HTTP\/1\.1 4/);
      else expect(answer.subarray(0, 2)).toEqual(Buffer.of(21, 3));
      expect(server.engine.stats().unauthenticated).toBe(1);
      await peer.write(randomBytes(300_000));
      expect(peer.closed).toBe(false);
      await peer.end();
      await peer.gone();
      expect(peer.wasReset).toBe(false);
      await until(() => server.engine.stats().unauthenticated === 0, 'its place');
      expect(server.engine.stats().tunnelRejected).toEqual({ [garbageReason]: 1 });
    });

    it('waits for who was refused no longer than lingerMs, nor than the deadline', async () => {
      for (const limits of [{ lingerMs: 50 }, { lingerMs: 60_000, handshakeTimeoutMs: 300 }]) {
        const server = await world.server({ limits });
        const peer = await world.connect(server.address);
        await peer.write(garbage);
        await peer.over();
        await until(() => server.engine.stats().tunnelRejected[garbageReason] === 1, 'its reason');
        await until(() => server.engine.stats().unauthenticated === 0, 'its place');
        expect(server.engine.stats().tunnelRejected).toEqual({ [garbageReason]: 1 });
      }
    });

    it('closing the listener ends who was refused and stays', async () => {
      const server = await world.server({
        limits: { lingerMs: 60_000, handshakeTimeoutMs: 60_000 },
      });
      const peer = await world.connect(server.address);
      await peer.write(garbage);
      await until(() => server.engine.stats().tunnelRejected[garbageReason] === 1, 'its reason');
      await server.listener?.close({ deadlineMs: 0 });
      await until(() => server.engine.stats().unauthenticated === 0, 'its place');
      expect(server.engine.stats().tunnelRejected).toEqual({ [garbageReason]: 1 });
    });

    it('W1: silent ones delay nobody, and end at the deadline', async () => {
      const limits = { handshakeTimeoutMs: 1_500 };
      const server = await world.server({ limits });
      server.expose();
      const silent = await Promise.all(
        Array.from({ length: 20 }, () => world.connect(server.address)),
      );
      await until(() => server.engine.stats().unauthenticated === 20, 'all are counted');
      await world.scriptedClient(server);
      await Promise.all(silent.map((peer) => peer.over()));
      await until(() => server.engine.stats().unauthenticated === 0, 'all are gone');
      await until(
        () => (server.engine.stats().tunnelRejected.handshake_timeout ?? 0) >= 20,
        'all are counted',
      );
      expect(server.engine.stats().tunnelRejected).toEqual({ handshake_timeout: 20 });
    });
  });

  describe('a client and the handshake of the transport', () => {
    const dialTo = async (serve: (peer: Peer) => void): Promise<WarrenError> => {
      const target = await world.listener({ serve });
      const { engine } = await world.engine({ limits: { dialTimeoutMs: 500 } }, 'client');
      const dialling = engine.dial(
        {
          remote: target.address,
          preferIpv6: false,
          transport: world.transport.client,
          proxy: undefined,
        },
        new AbortController().signal,
      );
      const error = await dialling.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof WarrenError)) throw new Error(`not a WarrenError: ${error}`);
      return error;
    };

    it('is told when the server ends within it', async () => {
      const error = await dialTo((peer) => void peer.read(1).then(() => peer.end()));
      expect(error).toMatchObject({ code: 'WARREN_E_TRANSPORT', reason: 'handshake_eof' });
      expect(error.message).toMatch(CLOSED[name] ?? '');
    });

    it('is told when what answers is something else', async () => {
      const answer = name === 'noise' ? garbage : Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      const error = await dialTo((peer) => void peer.write(answer));
      expect(error).toMatchObject({ code: 'WARREN_E_TRANSPORT', reason: garbageReason });
      if (name === 'websocket') expect(error.message).toContain('502');
    });

    it('W10: is told when the server says nothing', async () => {
      const error = await dialTo(() => undefined);
      expect(error).toMatchObject({ code: 'WARREN_E_TRANSPORT', reason: 'handshake_timeout' });
    });
  });

  // With TLS 1.3 a client is done before its server has looked for its certificate.
  describe.skipIf(!name.includes('tls'))('a server that wants certificates', () => {
    const wanting = (): TransportSpec => {
      const spec = world.transport.server;
      if (!('tls' in spec) || spec.tls === undefined) throw new Error('it has no TLS');
      return { ...spec, tls: { ...spec.tls, roots: roots() } };
    };

    it('tells a client that has none, which is told as if its dial had failed', async () => {
      const server = await world.server();
      server.listener?.update(wanting());
      const local = await world.listener();
      const rig = await world.engine({}, 'client');
      const attempt = (): Promise<unknown> =>
        world
          .clientSide(rig, { local: local.address })
          .connect(server.address)
          .catch((error: unknown) => error);
      // A listener with a thread of its own hears of the change a moment later.
      let error = await attempt();
      while ((error as WarrenError).code === 'WARREN_E_REFUSED') error = await attempt();
      expect(error).toMatchObject({
        code: 'WARREN_E_TRANSPORT',
        reason: 'certificate_refused',
        message: expect.stringContaining('wants a certificate of ours'),
      });
      await until(() => server.engine.stats().tunnelRejected.certificate_refused === 1, 'its end');
    });

    it('tells it on a data channel, too', async () => {
      const { server, client, visit } = await world.tunnel();
      await untilReady(server.rig, 1);
      server.listener?.update(wanting());
      await visit();
      const failed = await event(client.rig, 'channel_failed');
      expect(failed).toMatchObject({
        reason: 'certificate_refused',
        error: expect.stringContaining('wants a certificate of ours'),
      });
    });
  });

  describe('a connection that carries bytes', () => {
    it.each([
      ['a forged record ends a visitor', 'bad_record', forge],
      ['W22: an end inside a record, on a server, is no FIN', 'truncated', cut],
    ] as const)('%s: %s, after what came before it', async (_what, reason, damage) => {
      const { server, client, visit } = await world.serverScene({ accessLog: true });
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      const visitor = await visit();
      await channel.read(START_TCP.length);
      await channel.write('before');
      await damage(name, channel);
      expect((await visitor.read(6)).toString()).toBe('before');
      await visitor.over();
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe(reason);
    });

    it('W22: an end inside a record is truncated, not FIN, on a client', async () => {
      const local = await world.listener();
      const { server, client } = await world.clientScene({ local: local.address, accessLog: true });
      await server.create();
      const channel = await server.channel();
      await channel.write(Buffer.concat([START_TCP, Buffer.from('before')]));
      const served = await local.next();
      expect((await served.read(6)).toString()).toBe('before');
      await cut(name, channel);
      await served.over();
      expect(served.wasReset).toBe(true);
      expect((await event(client.rig, 'visitor_end')).reason).toBe('truncated');
    });

    // Noise has no other end than FIN (wire-v1 4.3).
    it.skipIf(name === 'noise')('an end without goodbye is truncated in a relay', async () => {
      const { server, client, visit } = await world.serverScene({ accessLog: true });
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      const visitor = await visit();
      await channel.read(START_TCP.length);
      await channel.write('before');
      await turn();
      silentEnd(channel);
      expect((await visitor.read(6)).toString()).toBe('before');
      await visitor.over();
      expect(visitor.wasReset).toBe(true);
      expect((await event(server.rig, 'visitor_end')).reason).toBe('truncated');
    });

    it('an idle channel that ends without goodbye is stale, as rathole ends it', async () => {
      const { server, client } = await world.serverScene();
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      silentEnd(channel);
      await until(() => endsOf(server.engine, 'stale_channel') === 1, 'stale_channel');
      expect(statsOf(server.engine).poolReady).toBe(0);
    });

    it('a control channel that ends without goodbye is at its end, as rathole ends it', async () => {
      const { exposed, client } = await world.serverScene();
      silentEnd(client.control);
      const [session] = exposed.sessions;
      expect(session && (await sessionEnd(session))).toBe('control_eof');
    });

    it('the same of a server', async () => {
      const echo = await world.echo();
      const { server, client } = await world.clientScene({ local: echo.address });
      silentEnd(server.control);
      const [session] = client.sessions;
      expect(session && (await sessionEnd(session))).toBe('control_eof');
    });

    it('a forged record on a control channel ends its session with bad_record', async () => {
      const { exposed, client, server } = await world.serverScene();
      await forge(name, client.control);
      const [session] = exposed.sessions;
      expect(session && (await sessionEnd(session))).toBe('bad_record');
      await client.control.over();
      expect(eventsOf(server.rig, 'fault')).toEqual([]);
    });

    it('a forged record on an idle channel drops it and asks for another', async () => {
      const { server, client } = await world.serverScene();
      await client.untilCreates(8);
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      await forge(name, channel);
      await channel.over();
      await event(server.rig, 'channel_failed', ({ reason }) => reason === 'bad_record');
      expect(endsOf(server.engine, 'bad_record')).toBe(1);
      await client.untilCreates(9);
    });

    it('what comes byte by byte is understood', async () => {
      const { server, client, visit } = await world.serverScene();
      const channel = await world.channel(client);
      await untilReady(server.rig, 1);
      const visitor = await visit();
      await channel.read(START_TCP.length);
      const text = 'many small records, each with a byte';
      for (const byte of Buffer.from(text)) await channel.write(Buffer.of(byte));
      expect((await visitor.read(text.length)).toString()).toBe(text);
    });
  });
}
