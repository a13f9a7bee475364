/**
 * Byte for byte what a stock peer gets from a warren that could reuse channels: the vectors of wire
 * v1, and nothing behind them. Over both engines; `test/interop/wire-shape.test.ts` has the same with
 * the real rathole.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isMarked } from '../../ts/protocol/extension.ts';
import { markedNonce } from '../helpers/peer-negotiation.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { visit } from '../helpers/program-visitor.ts';
import { openClient, TestServer, TOKEN } from '../helpers/rathole-roles.ts';
import {
  CREATE,
  HEARTBEAT,
  hello,
  sha256,
  TCP,
  u32,
  Wire,
  type WireClient,
} from '../helpers/rathole-wire.ts';
import { RUST } from '../helpers/rust-binding.ts';
import { WIRE_VECTORS as V } from '../helpers/vectors.ts';

/** As many as a tcp service asks for at first. */
const POOL = 8;
const ENGINES = RUST === undefined ? ['typescript'] : ['rust', 'typescript'];
const resources = new Resources();
afterEach(() => resources.close());

function words(...values: number[]): Buffer {
  return Buffer.concat(values.map(u32));
}

describe.each(ENGINES)('over %s', (engine) => {
  beforeEach(() => void vi.stubEnv('WARREN_ENGINE', engine));
  afterEach(() => void vi.unstubAllEnvs());

  describe('a server with channels = "reuse", a stock client', () => {
    const limits = { poolFloor: POOL, poolCeiling: POOL };

    /** The control channel of a client that has got its pool, behind hello and ack. */
    async function filled(server: TestServer): Promise<{ client: WireClient; idle: Wire[] }> {
      const client = await server.client();
      expect(await client.control.read(POOL * 4)).toEqual(words(...Array(POOL).fill(CREATE)));
      const idle: Wire[] = [];
      for (let i = 0; i < POOL; i++) idle.push(await client.channel());
      await until('the pool', () => server.stats().poolReady === POOL);
      return { client, idle };
    }

    test('hello and ack are 41 bytes, marked ones', async () => {
      const server = await TestServer.open(resources, { limits, channels: 'reuse' });
      const control = await Wire.connect(resources, server.port);
      control.write(hello(0, sha256('web')));
      const { kind, version, digest } = await control.readHello();
      expect([kind, version, isMarked(digest)]).toEqual([0, 1, true]);
      control.write(sha256(TOKEN, digest));
      expect(await control.read((1 + POOL) * 4)).toEqual(words(0, ...Array(POOL).fill(CREATE)));
      expect(control.unread).toHaveLength(0);
    });

    test('commands and heartbeats are those of v1', async () => {
      const options = { limits, channels: 'reuse', heartbeatIntervalSecs: 1 } as const;
      const server = await TestServer.open(resources, options);
      const client = await server.client();
      const commands = words(...Array(POOL).fill(CREATE), HEARTBEAT, HEARTBEAT);
      expect(await client.control.read(commands.length)).toEqual(commands);
    });

    test('a data channel is start, the visitor’s bytes and FIN, once', async () => {
      const server = await TestServer.open(resources, { limits, channels: 'reuse' });
      const { client, idle } = await filled(server);
      const visitor = await visit(await server.visitorPort());
      resources.use(visitor);
      visitor.end('bytes of a visitor');
      const used = await until('a channel that is used', () =>
        idle.find(({ unread }) => unread.length > 0),
      );
      await used.end('FIN');
      expect(used.unread).toEqual(Buffer.concat([words(TCP), Buffer.from('bytes of a visitor')]));
      used.write(Buffer.from('and back'));
      await used.close();
      expect(used.wasReset).toBe(false);
      // What it was is asked for again, and the others were not written to.
      expect(await client.control.read(4)).toEqual(words(CREATE));
      expect(client.control.unread).toHaveLength(0);
      expect(idle.filter((channel) => channel.unread.length > 0)).toEqual([used]);
    });

    test('its end is the end of the channel, without a word before it', async () => {
      const server = await TestServer.open(resources, { limits, channels: 'reuse' });
      const { client } = await filled(server);
      await server.server.close({ deadlineMs: 1_000 });
      await client.control.end('the end of the session');
      expect(client.control.unread).toHaveLength(0);
      await server.log.waitFor('client disconnected', { reason: 'drain', channels: 'v1' });
    });
  });

  describe.each([
    ['reuse', 'no mark', Buffer.from(V.nonce, 'hex')],
    ['v1', 'a mark', undefined],
  ] as const)('a client with channels = "%s", a server with %s', (channels, _mark, recorded) => {
    // That of a marked server, else the one of the vectors.
    const nonce = recorded ?? markedNonce();

    async function accepted() {
      expect(isMarked(nonce)).toBe(recorded === undefined);
      const local = await startLocalTcp(resources);
      const { client, peer, log } = await openClient(resources, { local: local.port, channels });
      const control = await peer.accept();
      expect(await control.readHello()).toMatchObject({ kind: 0, digest: sha256('web') });
      control.write(hello(0, nonce));
      const key = await control.read(32, 'auth');
      expect(key).toEqual(sha256(TOKEN, nonce));
      control.write(u32(0));
      return { client, peer, log, control, key };
    }

    test('the control channel is hello and auth, then nothing, also at its end', async () => {
      const { client, peer, control, log } = await accepted();
      await log.waitFor('service connected');
      // A channel that came: by then an offer would have come, too.
      const channel = await peer.channel(control);
      expect(channel.unread).toHaveLength(0);
      expect(control.unread).toHaveLength(0);
      await client.close({ deadlineMs: 50 });
      await control.end('the end of the session');
      expect(control.unread).toHaveLength(0);
      await log.waitFor('service disconnected', { reason: 'drain', channels: 'v1' });
    });

    test('a data channel is hello, the local service’s bytes and FIN, once', async () => {
      const { peer, control, key } = await accepted();
      control.write(u32(CREATE));
      const channel = await peer.accept('a data channel');
      expect(await channel.read(37)).toEqual(hello(1, key));
      channel.write(Buffer.concat([words(TCP), Buffer.from('E through')]));
      channel.socket.end();
      await channel.end('FIN');
      expect(channel.unread.toString()).toBe(' through');
      expect(channel.wasReset).toBe(false);
      expect(control.unread).toHaveLength(0);
    });
  });
});
