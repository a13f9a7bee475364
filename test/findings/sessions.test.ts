/** wire-v1 section 6, sessions and visitors on the server: W3, W7 to W9, W11 to W15. */
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Resources, until } from '../helpers/process-resources.ts';
import { UdpVisitor, visit } from '../helpers/program-visitor.ts';
import { TestServer } from '../helpers/rathole-roles.ts';
import { CREATE, TCP, UDP, type Wire, type WireClient } from '../helpers/rathole-wire.ts';

const resources = new Resources();
afterEach(() => resources.close());

/** A visitor that has sent `text`. */
async function visitor(port: number, text: string): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  resources.use(socket);
  // One that is refused may see the reset before it sees the connection.
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  if (!socket.destroyed) socket.write(text);
  return socket;
}

async function expectStarted(channel: Wire, text: string): Promise<void> {
  expect(await channel.readU32('a start')).toBe(TCP);
  expect((await channel.read(text.length)).toString()).toBe(text);
}

function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** Channels that the server has taken in. */
async function pool(server: TestServer, client: WireClient, count: number): Promise<Wire[]> {
  const channels: Wire[] = [];
  for (let i = 1; i <= count; i++) {
    channels.push(await client.channel());
    await until('the channel to be pooled', () => server.stats().poolReady >= i);
  }
  return channels;
}

describe.each(['tcp', 'udp'] as const)('a client of a %s service', (type) => {
  test('W3: opens channels by the hundred: bounded, and nobody else waits', async () => {
    const cap = 40;
    const server = await TestServer.open(resources, {
      services: { flooded: type, web: 'tcp' },
      limits: { channelsPerService: cap },
    });
    const flooder = await server.client('flooded');
    const flood = await Promise.all(Array.from({ length: 300 }, () => flooder.channel()));
    await until('what is too much to be closed', () => {
      return flood.filter(({ isOpen }) => isOpen).length <= cap;
    });
    await until('the counts', () => server.stats('flooded').poolReady <= cap);
    const client = await server.client();
    const channel = await client.channel();
    await visitor(await server.visitorPort(), 'not frozen');
    await expectStarted(channel, 'not frozen');
    expect(flooder.control.isOpen).toBe(true);
  });
});

test.each([
  ['FIN', 'control_eof', (client: WireClient) => client.control.socket.end()],
  ['RST', 'control_reset', (client: WireClient) => client.control.reset()],
  ['a byte', 'control_data', (client: WireClient) => client.control.write(Buffer.from([0]))],
] as const)(
  'W7: %s on the control channel ends the session at once',
  async (_what, reason, act) => {
    // No heartbeat and no visitor that could notice it.
    const server = await TestServer.open(resources, { heartbeatIntervalSecs: 0 });
    const client = await server.client();
    await server.visitorPort();
    act(client);
    await server.log.waitFor('client disconnected', { service: 'web', reason });
    await until('the address to be free', () => server.server.serviceAddress('web') === undefined);
  },
);

test('W8: the session key is worth nothing once the control channel has ended', async () => {
  const server = await TestServer.open(resources);
  const client = await server.client();
  const [idle] = await pool(server, client, 1);
  client.control.destroy();
  await idle?.end('the idle channel to be closed');
  const late = await client.channel();
  await late.end('the late channel to be closed');
  expect(server.rejected('unknown_session')).toBe(1);
  expect(server.stats()).toMatchObject({ poolReady: 0, poolRequested: 0 });
});

test('W8: a replaced session leaves nothing behind', async () => {
  const server = await TestServer.open(resources);
  const first = await server.client();
  const [idle] = await pool(server, first, 1);
  const second = await server.client();
  await first.control.end('the eviction');
  await idle?.end('the idle channel to be closed');
  await (await first.channel()).end('the late channel to be closed');
  const [channel] = await pool(server, second, 1);
  await visitor(await server.visitorPort(), 'to the second');
  if (channel !== undefined) await expectStarted(channel, 'to the second');
});

test('W9: the public address is closed with the session, no visitor is sacrificed', async () => {
  const server = await TestServer.open(resources);
  const client = await server.client();
  const port = await server.visitorPort();
  const waiting = await visitor(port, 'hello');
  await until('a visitor that waits', () => server.stats().visitorsWaiting === 1);
  client.control.destroy();
  await closed(waiting);
  await until('the address to be free', () => server.server.serviceAddress('web') === undefined);
  await expect(visit(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(server.stats()).toMatchObject({ visitorsTotal: 1, ends: { session_end: 1 } });
});

describe('W11: dead pooled channels', () => {
  test.each([
    ['got FIN', 'stale_channel', (channel: Wire) => channel.socket.end()],
    ['got RST', 'stale_channel', (channel: Wire) => channel.reset()],
    ['sent bytes', 'early_data', (channel: Wire) => channel.write(Buffer.from('early'))],
  ] as const)('that %s are dropped and replaced', async (_what, reason, kill) => {
    const server = await TestServer.open(resources, { limits: { poolFloor: 4 } });
    const client = await server.client();
    for (let i = 0; i < 4; i++) await client.create();
    const channels = await pool(server, client, 4);
    const live = channels[3];
    for (const channel of channels.slice(0, 3)) kill(channel);
    // As many are asked for again.
    for (let i = 0; i < 3; i++) await client.create();
    expect(server.stats()).toMatchObject({ poolStale: 3, poolReady: 1, ends: { [reason]: 3 } });
    await visitor(await server.visitorPort(), 'served');
    if (live !== undefined) await expectStarted(live, 'served');
  });

  test('cost no visitor when they die just before it comes', async () => {
    const server = await TestServer.open(resources, { limits: { poolFloor: 2 } });
    const client = await server.client();
    const port = await server.visitorPort();
    for (let round = 0; round < 20; round++) {
      const [dying, live] = await pool(server, client, 2);
      dying?.socket.end();
      await dying?.end('the dead channel to be dropped');
      const text = `round ${round}`;
      const socket = await visitor(port, text);
      if (live !== undefined) await expectStarted(live, text);
      socket.destroy();
      live?.destroy();
      await until('the visitor to end', () => server.stats().visitorsOpen === 0);
      expect(server.stats().poolReady).toBe(0);
    }
  });
});

test('W12: creates that nobody answers are made again', async () => {
  const limits = { poolFloor: 2, createTimeoutMs: 100 };
  const server = await TestServer.open(resources, { limits });
  const client = await server.client();
  for (let i = 0; i < 2; i++) await client.create();
  for (let i = 0; i < 2; i++) await client.create();
  for (let i = 0; i < 2; i++) await client.create();
  expect(server.stats().poolRequested).toBeLessThanOrEqual(2);
  await visitor(await server.visitorPort(), 'late but served');
  await expectStarted(await client.channel(), 'late but served');
});

test('W12: a visitor that no channel comes for is let go', async () => {
  const server = await TestServer.open(resources, { limits: { poolWaitMs: 100 } });
  await server.client();
  await closed(await visitor(await server.visitorPort(), 'nobody comes'));
  expect(server.stats().ends).toMatchObject({ pool_timeout: 1 });
  await server.log.waitFor('visitor not served', { service: 'web', reason: 'pool_timeout' });
});

test('W13: a channel that is not read holds up its own visitor only', async () => {
  const server = await TestServer.open(resources);
  const client = await server.client();
  const port = await server.visitorPort();
  const [stalled, live] = await pool(server, client, 2);
  stalled?.socket.pause();
  const first = await visitor(port, '');
  await until('the first to be paired', () => server.stats().visitorsOpen === 1);
  let isFull = false;
  for (let i = 0; i < 1_024 && !isFull; i++) isFull = !first.write(Buffer.alloc(65_536));
  await visitor(port, 'second');
  if (live !== undefined) await expectStarted(live, 'second');
});

test('W13: a visitor that leaves while it waits costs no channel', async () => {
  const server = await TestServer.open(resources, { limits: { leaveGraceMs: 50 } });
  const client = await server.client();
  const port = await server.visitorPort();
  for (const leave of ['reset', 'FIN'] as const) {
    const leaver = await visitor(port, '');
    await until('a visitor that waits', () => server.stats().visitorsWaiting === 1);
    if (leave === 'reset') leaver.resetAndDestroy();
    else leaver.end();
    await until('it to be noticed', () => server.stats().visitorsWaiting === 0);
  }
  expect(server.stats().ends).toEqual({ visitor_left: 2 });
  const [channel] = await pool(server, client, 1);
  expect(channel?.unread).toHaveLength(0);
  await visitor(port, 'who stayed');
  if (channel !== undefined) await expectStarted(channel, 'who stayed');
});

test('W14: visitors are capped, waiting and in all', async () => {
  const limits = { visitorsPerService: 4, visitorsWaiting: 3 };
  const server = await TestServer.open(resources, { limits });
  const client = await server.client();
  const port = await server.visitorPort();
  for (let i = 0; i < 3; i++) await visitor(port, 'waits');
  await until('three that wait', () => server.stats().visitorsWaiting === 3);
  await closed(await visitor(port, 'too many wait'));
  for (let i = 0; i < 3; i++) await client.channel();
  await until('them to be served', () => server.stats().visitorsWaiting === 0);
  await visitor(port, 'the fourth');
  await until('the fourth', () => server.stats().visitorsOpen === 4);
  await closed(await visitor(port, 'too many'));
  expect(server.stats()).toMatchObject({ visitorsTotal: 6, ends: { visitor_limit: 2 } });
});

test('W14: creates are bounded by the channels that a service may have', async () => {
  const limits = { channelsPerService: 16, poolFloor: 8, poolCeiling: 64 };
  const server = await TestServer.open(resources, { limits });
  const client = await server.client();
  const port = await server.visitorPort();
  for (let i = 0; i < 40; i++) await visitor(port, 'one of many');
  await until('forty that wait', () => server.stats().visitorsWaiting === 40);
  expect(server.stats().poolRequested).toBe(16);
  for (let i = 0; i < 16; i++) expect(await client.control.readU32('a create')).toBe(CREATE);
  expect(client.control.unread).toHaveLength(0);
});

test('W14: a client that does not read its control channel cannot make the queue grow', async () => {
  const limits = { createTimeoutMs: 10, poolFloor: 12_288, channelsPerService: 12_288 };
  const server = await TestServer.open(resources, { limits });
  const client = await server.client();
  client.control.socket.pause();
  const port = await server.visitorPort();
  // 48 KiB of creates every 10 ms, until neither the system nor the queue takes more.
  await until('the queue to be full', () => server.stats().poolRequested === 0);
  const channel = await client.channel();
  await visitor(port, 'still served');
  await expectStarted(channel, 'still served');
});

test('W15: a take-over is told, and the evicted client is closed, not its visitors', async () => {
  const server = await TestServer.open(resources);
  const first = await server.client();
  const port = await server.visitorPort();
  const [channel] = await pool(server, first, 1);
  const running = await visitor(port, 'running');
  if (channel === undefined) throw new Error('no channel');
  await expectStarted(channel, 'running');
  await server.client();
  await first.control.end('the eviction');
  await server.log.waitFor('client disconnected', { service: 'web', reason: 'replaced' });
  running.write('still');
  expect((await channel.read(5)).toString()).toBe('still');
  channel.write(Buffer.from('here'));
  const back = await new Promise<Buffer>((resolve) => running.once('data', resolve));
  expect(back.toString()).toBe('here');
  expect(server.server.serviceAddress('web')?.port).toBe(port);
});

test('W34: every channel that a udp service asks for is put to use', async () => {
  const server = await TestServer.open(resources, { services: { web: 'udp' } });
  const client = await server.client();
  const port = await server.visitorPort();
  const channels: Wire[] = [];
  for (let i = 0; i < 2; i++) {
    await client.create();
    channels.push(await client.channel());
  }
  for (const channel of channels) expect(await channel.readU32('a start')).toBe(UDP);
  expect(client.control.unread).toHaveLength(0);
  const seen = new Set<Wire>();
  await until('both to be used', async () => {
    (await UdpVisitor.open(resources, port)).send('x');
    await new Promise((resolve) => setImmediate(resolve));
    for (const channel of channels) if (channel.unread.length > 0) seen.add(channel);
    return seen.size === 2;
  });
});
