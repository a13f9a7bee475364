/**
 * docs/wire.md, section 2: frames, and an end that is told before it comes. First each end against a
 * peer that is played by hand, then both.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { Client, type ServerOptions } from '../../ts/index.ts';
import { FRAME, type Frame, frame } from '../helpers/peer-frames.ts';
import { ANSWER, markedNonce, OFFER, WRN1 } from '../helpers/peer-negotiation.ts';
import { RecordingLog } from '../helpers/process-log.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor, exchange, visit } from '../helpers/program-visitor.ts';
import { openClient, TestServer, TOKEN } from '../helpers/rathole-roles.ts';
import { CREATE, hello, TCP, u32, type Wire } from '../helpers/rathole-wire.ts';

const UNBOUNDED = 0xffff_ffff;
const FOREVER = { deadlineMs: Number.POSITIVE_INFINITY };
const resources = new Resources();
afterEach(() => resources.close());

async function readFrame(control: Wire): Promise<Frame> {
  const head = await control.read(4, 'a frame');
  const length = head.readUIntLE(1, 3);
  return {
    type: head[0] ?? 0,
    payload: length === 0 ? Buffer.alloc(0) : await control.read(length),
  };
}

/** The milliseconds of the drain that ends a control channel, behind channels and heartbeats. */
async function drainOf(control: Wire): Promise<number> {
  for (;;) {
    const { type, payload } = await readFrame(control);
    if (type === FRAME.drain) {
      expect(payload).toHaveLength(4);
      await control.end('FIN behind the drain');
      expect(control.unread).toHaveLength(0);
      expect(control.wasReset).toBe(false);
      return payload.readUInt32LE();
    }
    expect([FRAME.channels, FRAME.heartbeat]).toContain(type);
  }
}

function serverOptions(more: Partial<ServerOptions> = {}): ServerOptions {
  return {
    bindAddr: '127.0.0.1:0',
    heartbeatIntervalSecs: 0,
    channels: 'reuse',
    defaultToken: TOKEN,
    services: { web: { bindAddr: '127.0.0.1:0' } },
    ...more,
  };
}

/** A server and a client by hand that has negotiated. */
async function agreedServer(services?: Record<string, 'tcp' | 'udp'>) {
  const server = await TestServer.open(resources, {
    channels: 'reuse',
    ...(services === undefined ? {} : { services }),
  });
  const client = await server.client();
  client.control.write(OFFER);
  while (!(await client.control.read(4)).equals(WRN1));
  expect(await client.control.readU32('features')).toBe(1);
  await server.log.waitFor('data channels are reused');
  return { server, client, control: client.control };
}

describe('a server', () => {
  test('reads frames, skips what it does not know, and ends with a drain', async () => {
    const { server, control } = await agreedServer();
    const port = await server.visitorPort();
    control.write(Buffer.concat([frame(FRAME.heartbeat), frame(0xee, Buffer.alloc(4_096))]));
    control.write(frame(FRAME.heartbeat, Buffer.from('surplus')));
    expect(server.server.serviceAddress('web')?.port).toBe(port);
    control.write(frame(FRAME.drain, u32(5_000)));
    await server.log.waitFor('client disconnected', { reason: 'drain', channels: 'reuse' });
    await until('no new visitors', () => server.server.serviceAddress('web') === undefined);
    await control.end('the end of the session');
  });

  test.each([
    ['a drain without its time', frame(FRAME.drain, Buffer.alloc(3))],
    ['a frame of 4,097 bytes', frame(FRAME.heartbeat, Buffer.alloc(4_097))],
    ['a gave up without its reason', frame(4, Buffer.alloc(8))],
  ])('ends the session at %s', async (_name, bytes) => {
    const { server, control } = await agreedServer();
    control.write(bytes);
    await server.log.waitFor('client disconnected', { reason: 'control_data', channels: 'reuse' });
  });

  test('asks by frames, not by commands', async () => {
    const { server, client, control } = await agreedServer();
    // Those that were asked for by commands, before the answer, come.
    for (let i = 0; i < 8; i++) await client.channel();
    await until('the pool', () => server.stats().poolReady === 8);
    const address = await server.visitorPort();
    for (let i = 0; i < 9; i++) resources.use(await visit(address));
    const { type, payload } = await readFrame(control);
    expect(type).toBe(FRAME.channels);
    expect(payload).toHaveLength(2);
    expect(payload.readUInt16LE()).toBeGreaterThan(0);
  });

  test.each([
    ['5 s', 5_000, 5_000],
    ['nothing', 0, 0],
    ['as long as it takes', Number.POSITIVE_INFINITY, UNBOUNDED],
  ])('that closes within %s tells its client so', async (_name, deadlineMs, told) => {
    const { server, control } = await agreedServer();
    const closed = server.server.close({ deadlineMs });
    expect(await drainOf(control)).toBe(told);
    await server.log.waitFor('client disconnected', { reason: 'drain' });
    control.socket.end();
    await closed;
  });

  test.each([
    ['removed', serverOptions({ services: {} })],
    ['given another token', serverOptions({ defaultToken: 'another' })],
    [
      'made one of udp',
      serverOptions({ services: { web: { type: 'udp', bindAddr: '127.0.0.1:0' } } }),
    ],
  ])('tells the client of a service that is %s', async (_name, options) => {
    const { server, control } = await agreedServer();
    await server.server.reload(options);
    expect(await drainOf(control)).toBe(UNBOUNDED);
    await server.log.waitFor('client disconnected', { reason: 'service_closed' });
  });

  test('keeps to frames when its heartbeat changes', async () => {
    const { server, control } = await agreedServer();
    await server.server.reload(serverOptions({ heartbeatIntervalSecs: 1 }));
    for (;;) {
      const { type, payload } = await readFrame(control);
      if (type !== FRAME.heartbeat) continue;
      expect(payload).toHaveLength(0);
      break;
    }
  });

  test('that is destroyed says nothing', async () => {
    const { server, control } = await agreedServer();
    await until('all that was asked for', () => server.stats().poolRequested > 0);
    server.server.destroy();
    await control.end('the end of the session');
    while (control.unread.length > 0) expect((await readFrame(control)).type).not.toBe(FRAME.drain);
  });

  test('negotiates for a udp service, too', async () => {
    const server = await TestServer.open(resources, {
      channels: 'reuse',
      services: { web: 'udp' },
    });
    const { control } = await server.client();
    control.write(OFFER);
    while (!(await control.read(4)).equals(WRN1));
    expect(await control.readU32('features')).toBe(1);
    const closed = server.server.close({ deadlineMs: 250 });
    expect(await drainOf(control)).toBe(250);
    control.socket.end();
    await closed;
  });
});

/** A client and a server by hand that has negotiated. */
async function agreedClient() {
  const local = await startLocalTcp(resources);
  const all = await openClient(resources, { local: local.port, channels: 'reuse' });
  const control = await all.peer.accept('a control channel');
  await control.readHello();
  control.write(hello(0, markedNonce()));
  await control.read(32, 'auth');
  control.write(u32(0));
  expect(await control.read(OFFER.length)).toEqual(OFFER);
  control.write(ANSWER);
  await all.log.waitFor('data channels are reused');
  return { ...all, control, local };
}

/** A data channel that was asked for by a frame, put to use as in v1, which is still understood. */
async function running(peer: { accept(): Promise<Wire> }, control: Wire): Promise<Wire> {
  control.write(frame(FRAME.channels, Buffer.from([1, 0])));
  const channel = await peer.accept();
  await channel.readHello();
  channel.write(Buffer.concat([u32(TCP), Buffer.from('Efirst')]));
  expect((await channel.read(5)).toString()).toBe('first');
  return channel;
}

async function pingsOn(channel: Wire): Promise<void> {
  channel.write(Buffer.from('on'));
  expect((await channel.read(2)).toString()).toBe('on');
}

describe('a client', () => {
  test('reads frames, skips what it does not know, and takes no more commands', async () => {
    const { peer, control, log } = await agreedClient();
    control.write(Buffer.concat([frame(FRAME.heartbeat), frame(0xee, Buffer.alloc(4_096))]));
    await pingsOn(await running(peer, control));
    // u8 type 0, of no length: unknown, and no create.
    control.write(u32(CREATE));
    await running(peer, control);
    expect(log.all('service disconnected')).toEqual([]);
  });

  test('that is told of a drain goes on with its visitors, and comes again soon', async () => {
    const { peer, control, log } = await agreedClient();
    const channel = await running(peer, control);
    control.write(frame(FRAME.drain, u32(5_000)));
    await log.waitFor('service disconnected', { reason: 'drain', channels: 'reuse' });
    const { fields } = await log.waitFor('waiting before the next attempt');
    expect(Number(fields['delayMs'])).toBeLessThanOrEqual(600);
    await peer.accept('the next session');
    await pingsOn(channel);
  });

  test('opens no channels on a session that was drained', async () => {
    const { peer, control, log } = await agreedClient();
    const more = frame(FRAME.channels, Buffer.from([9, 0]));
    control.write(Buffer.concat([frame(FRAME.drain, u32(0)), more]));
    await log.waitFor('service disconnected', { reason: 'drain' });
    const next = await peer.accept('the next session');
    expect((await next.readHello()).kind).toBe(0);
  });

  test('that closes tells its server how long its visitors may take', async () => {
    const { client, peer, control } = await agreedClient();
    const channel = await running(peer, control);
    const closed = client.close({ deadlineMs: 7_000 });
    expect(await drainOf(control)).toBe(7_000);
    control.socket.end();
    await pingsOn(channel);
    await channel.close();
    await closed;
  });

  test('whose service is removed tells its server', async () => {
    const { client, control, peer } = await agreedClient();
    await client.reload({ remoteAddr: `127.0.0.1:${peer.port}`, channels: 'reuse' });
    expect(await drainOf(control)).toBe(UNBOUNDED);
  });
});

describe('two ends', () => {
  async function both() {
    const local = await startLocalTcp(resources);
    const server = await TestServer.open(resources, { channels: 'reuse', accessLog: true });
    const log = new RecordingLog();
    const client = new Client(
      {
        remoteAddr: `127.0.0.1:${server.port}`,
        channels: 'reuse',
        defaultToken: TOKEN,
        services: { web: { localAddr: `127.0.0.1:${local.port}` } },
      },
      { log, accessLog: true },
    );
    resources.use(client);
    await client.start();
    const port = await server.visitorPort();
    await server.log.waitFor('data channels are reused', { service: 'web', addresses: true });
    await log.waitFor('data channels are reused', { service: 'web', addresses: true });
    return { server, client, log, port };
  }

  test('log the same visitor', async () => {
    const { server, log, port } = await both();
    for (let i = 1; i <= 3; i++) {
      expect((await exchange(port, 'E visitor')).toString()).toBe(' visitor');
      const there = await server.log.waitFor('visitor', {}, i);
      const here = await log.waitFor('visitor', {}, i);
      expect(here.fields['visitor']).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(here.fields['visitor']).toBe(there.fields['visitor']);
      expect(here.fields['bytesIn']).toBe(there.fields['bytesIn']);
    }
  });

  test('a server that closes lets visitors finish, and its client knows', async () => {
    const { server, log, port } = await both();
    const visitor = await EchoVisitor.open(resources, port);
    const closed = server.server.close(FOREVER);
    await log.waitFor('service disconnected', { reason: 'drain' });
    await log.waitFor('waiting before the next attempt');
    await visitor.ping();
    await visitor.finish();
    await closed;
    await log.waitFor('visitor', { service: 'web' });
    expect(server.log.all('visitor')[0]?.fields['reason']).toBe('visitor_fin');
  });

  test('a client that closes lets visitors finish, and its server takes no others', async () => {
    const { server, client, port } = await both();
    const visitor = await EchoVisitor.open(resources, port);
    const closed = client.close(FOREVER);
    await server.log.waitFor('client disconnected', { reason: 'drain' });
    await until('no address', () => server.server.serviceAddress('web') === undefined);
    await visitor.ping();
    await visitor.finish();
    await closed;
  });
});
