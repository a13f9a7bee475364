/** wire-v1 section 6, the server before a connection is known to be ours: W1, W2, W20, W26, W38. */
import net from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { Resources, until } from '../helpers/process-resources.ts';
import { TestServer, TOKEN } from '../helpers/rathole-roles.ts';
import {
  ACK_BAD_TOKEN,
  CONTROL,
  handshake,
  hello,
  sha256,
  TCP,
  Wire,
} from '../helpers/rathole-wire.ts';

const compared = vi.hoisted(() => [] as number[]);
vi.mock('node:crypto', async (importOriginal) => {
  const crypto = await importOriginal<typeof import('node:crypto')>();
  return {
    ...crypto,
    timingSafeEqual: (a: Uint8Array, b: Uint8Array): boolean => {
      compared.push(a.byteLength);
      return crypto.timingSafeEqual(a, b);
    },
  };
});

const LONG = { handshakeTimeoutMs: 600_000 };
const resources = new Resources();
afterEach(() => resources.close());

async function silent(server: TestServer, count: number): Promise<Wire[]> {
  const wires: Wire[] = [];
  for (let i = 0; i < count; i++) wires.push(await Wire.connect(resources, server.port));
  return wires;
}

function unauthenticated(server: TestServer): number {
  return server.server.stats().unauthenticated;
}

test('W1: silent connections delay neither handshakes nor data channels', async () => {
  const server = await TestServer.open(resources, { limits: LONG });
  await silent(server, 50);
  await until('them to be counted', () => unauthenticated(server) === 50);
  const client = await server.client();
  const channel = await client.channel();
  const socket = net.connect(await server.visitorPort(), '127.0.0.1');
  resources.use(socket);
  socket.write('hello');
  expect(await channel.readU32('a start')).toBe(TCP);
  expect((await channel.read(5)).toString()).toBe('hello');
  expect(unauthenticated(server)).toBe(50);
});

test('W1: silent connections of one address are capped, others get in', async () => {
  const limits = { ...LONG, unauthenticatedPerAddress: 4 };
  const server = await TestServer.open(resources, { limits });
  const [first] = await silent(server, 4);
  await until('them to be counted', () => unauthenticated(server) === 4);
  const [fifth] = await silent(server, 1);
  await fifth?.end();
  expect(server.rejected('limit_address')).toBe(1);
  const other = net.connect({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  resources.use(other);
  await until('another address', () => unauthenticated(server) === 5);
  // A place that is given back can be taken.
  first?.destroy();
  await until('a free place', () => unauthenticated(server) === 4);
  await server.client();
});

test('W1: silent connections of all addresses together are capped', async () => {
  const server = await TestServer.open(resources, { limits: { ...LONG, unauthenticatedTotal: 3 } });
  await silent(server, 3);
  await until('them to be counted', () => unauthenticated(server) === 3);
  const other = net.connect({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  resources.use(other);
  await new Wire(other).end();
  expect(server.rejected('limit_total')).toBe(1);
});

test('W1: channels that the server asked for are not taken for an attack', async () => {
  const limits = { ...LONG, unauthenticatedPerAddress: 1, poolFloor: 8 };
  const server = await TestServer.open(resources, { limits });
  const client = await server.client();
  for (let i = 0; i < 8; i++) await client.create();
  const channels = await Promise.all(Array.from({ length: 8 }, () => client.channel()));
  await until('the pool', () => server.stats().poolReady === 8);
  expect(channels.every(({ isOpen }) => isOpen)).toBe(true);
});

test('W2: one deadline ends every handshake that is not complete', async () => {
  // Long enough for the handshakes that are to be complete.
  const server = await TestServer.open(resources, { limits: { handshakeTimeoutMs: 1_000 } });
  const client = await server.client();
  const pooled = await client.channel();
  const [nothing, half, unauthorised] = await silent(server, 3);
  half?.write(hello(CONTROL, sha256('web')).subarray(0, 20));
  unauthorised?.write(hello(CONTROL, sha256('web')));
  await unauthorised?.readHello();
  await Promise.all([nothing?.end(), half?.end(), unauthorised?.end()]);
  await until('the rejections', () => server.rejected('handshake_timeout') === 3);
  await until('their places to be free', () => unauthenticated(server) === 0);
  // What is ours waits as long as it likes.
  expect(pooled.isOpen && client.control.isOpen).toBe(true);
});

test('W2: bytes that trickle in do not move the deadline', async () => {
  const server = await TestServer.open(resources, { limits: { handshakeTimeoutMs: 150 } });
  const wire = await Wire.connect(resources, server.port);
  const bytes = hello(CONTROL, sha256('web'));
  let at = 0;
  const trickle = setInterval(() => {
    if (at < bytes.length - 1) wire.write(bytes.subarray(at, ++at));
  }, 20);
  resources.defer(() => clearInterval(trickle));
  await wire.end();
  // The peer may see its end before it is counted.
  await until('the rejection', () => server.rejected('handshake_timeout') === 1);
});

test('W20: an unknown service and a wrong token look the same', async () => {
  const server = await TestServer.open(resources);
  for (const service of ['web', 'no such service']) {
    const wire = await Wire.connect(resources, server.port);
    wire.write(hello(CONTROL, sha256(service)));
    const { kind, version, digest } = await wire.readHello();
    expect({ kind, version }).toEqual({ kind: 0, version: 1 });
    expect(digest.equals(Buffer.alloc(32))).toBe(false);
    // A whole handshake later there is still no ack: the auth is awaited first.
    await server.client();
    expect(wire.unread).toHaveLength(0);
    wire.write(sha256('not the token', digest));
    expect(await wire.readU32('an ack')).toBe(ACK_BAD_TOKEN);
    await wire.end();
    await wire.close();
    expect(wire.wasReset).toBe(false);
  }
  await server.log.waitFor('client refused', { reason: 'unknown_service' });
  await server.log.waitFor('client refused', { reason: 'wrong_token', service: 'web' });
});

test('W26: digests are compared in constant time, right, wrong and of unknown services', async () => {
  const server = await TestServer.open(resources);
  const { port } = server;
  for (const [service, token] of [
    ['web', TOKEN],
    ['web', 'wrong'],
    ['unknown', 'wrong'],
  ] as const) {
    compared.length = 0;
    await handshake({ port, service, token, resources });
    expect(compared).toEqual([32]);
  }
});

test('W38: a refusal can be read even when more was sent than it needs', async () => {
  const server = await TestServer.open(resources, { limits: { lingerMs: 600_000 } });
  const wires = await Promise.all(
    Array.from({ length: 20 }, () => Wire.connect(resources, server.port)),
  );
  for (const wire of wires) {
    // Auth before the nonce was known, and bytes behind it: unread bytes turn a close into a reset.
    const early = [hello(CONTROL, sha256('web')), Buffer.alloc(32), Buffer.alloc(200_000)];
    wire.write(Buffer.concat(early));
  }
  for (const wire of wires) {
    await wire.readHello();
    expect(await wire.readU32('an ack')).toBe(ACK_BAD_TOKEN);
    await wire.end();
  }
  // Until we close, what we still send is taken and not answered by a reset either.
  for (const wire of wires) wire.write(Buffer.alloc(1_000));
  await server.client();
  for (const wire of wires) {
    await wire.close();
    expect(wire.wasReset).toBe(false);
  }
});

test('W38: a refused client that does not close is closed after a while', async () => {
  const server = await TestServer.open(resources, { limits: { lingerMs: 50 } });
  const { port } = server;
  const { control } = await handshake({ port, service: 'web', token: 'wrong', resources });
  await control.end();
  // Half-closed from the server; writing on is answered by a reset once it is gone.
  await until('the reset', () => {
    control.write(Buffer.from('x'));
    return control.socket.destroyed;
  });
});
