/** wire-v1 section 6, datagrams: W24, W25, W29 to W34. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Client } from '../../ts/index.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalUdp } from '../helpers/program-local.ts';
import { UdpVisitor } from '../helpers/program-visitor.ts';
import { openClient, TestServer, TOKEN } from '../helpers/rathole-roles.ts';
import { sha256, UDP, u32, udpFrame, type Wire, type WireClient } from '../helpers/rathole-wire.ts';

const LARGEST = 65_507;
const HOST = '127.0.0.1';
const resources = new Resources();
afterEach(() => resources.close());

interface UdpServer {
  readonly server: TestServer;
  readonly client: WireClient;
  readonly channels: Wire[];
  readonly port: number;
}

/** A server with a udp service whose channels are started. */
async function udpServer(
  limits: NonNullable<Parameters<typeof TestServer.open>[1]>['limits'] = {},
): Promise<UdpServer> {
  const { udpChannels = 1 } = limits;
  const server = await TestServer.open(resources, {
    services: { web: 'udp' },
    limits: { ...limits, udpChannels },
  });
  const client = await server.client();
  const port = await server.visitorPort();
  const channels: Wire[] = [];
  for (let i = 0; i < udpChannels; i++) {
    await client.create();
    const channel = await client.channel();
    expect(await channel.readU32('a start')).toBe(UDP);
    channels.push(channel);
  }
  return { server, client, channels, port };
}

function only(channels: readonly Wire[]): Wire {
  const [channel] = channels;
  if (channel === undefined) throw new Error('no channel');
  return channel;
}

/** Waits for what `visitor` may have been sent before: it gets a datagram of its own, in order. */
async function flush(visitor: UdpVisitor): Promise<Buffer[]> {
  const marker = `marker ${Math.random()}`;
  const socket = dgram.createSocket('udp4');
  socket.send(marker, visitor.port, HOST, () => socket.close());
  const before: Buffer[] = [];
  for (;;) {
    const payload = await visitor.next('the marker');
    if (payload.toString() === marker) return before;
    before.push(payload);
  }
}

describe('W24: the public port is no reflector', () => {
  test('only visitors that have sent something are sent anything', async () => {
    const { server, channels, port } = await udpServer();
    const channel = only(channels);
    const visitor = await UdpVisitor.open(resources, port);
    const stranger = await UdpVisitor.open(resources, port);
    visitor.send('hello');
    expect((await channel.readFrame()).port).toBe(visitor.port);
    channel.write(udpFrame(HOST, stranger.port, 'reflected'));
    channel.write(udpFrame(HOST, visitor.port, 'answer'));
    expect((await visitor.next()).toString()).toBe('answer');
    expect(await flush(stranger)).toEqual([]);
    expect(server.stats().datagramsDropped).toBe(1);
  });

  test('not even those of long ago', async () => {
    const { server, channels, port } = await udpServer({ udpIdleMs: 80 });
    const channel = only(channels);
    const visitor = await UdpVisitor.open(resources, port);
    visitor.send('hello');
    await channel.readFrame();
    await until('the visitor to be forgotten', () => server.stats().visitorsOpen === 0);
    channel.write(udpFrame(HOST, visitor.port, 'late'));
    await until('the drop', () => server.stats().datagramsDropped === 1);
    expect(await flush(visitor)).toEqual([]);
    // On a busy machine an answer may come too late again, and is dropped.
    const answer = await until('an answer in time', async () => {
      visitor.send('again');
      await channel.readFrame();
      const { datagramsDropped } = server.stats();
      channel.write(udpFrame(HOST, visitor.port, 'in time'));
      await until('its way', () => {
        const isDropped = server.stats().datagramsDropped > datagramsDropped;
        return isDropped || visitor.received.length > 0;
      });
      return visitor.received.shift();
    });
    expect(answer.toString()).toBe('in time');
  });
});

describe('W25: a flood of source addresses', () => {
  const limits = { udpSessions: 10 };

  test('costs the client no more sockets than it allows', async () => {
    const local = await startLocalUdp(resources);
    const { peer, stats } = await openClient(resources, { type: 'udp', local: local.port, limits });
    const { control } = await peer.session(TOKEN);
    const channel = await peer.channel(control);
    channel.write(u32(UDP));
    for (let i = 0; i < 200; i++) channel.write(udpFrame('192.0.2.1', 1_000 + i, `from ${i}`));
    await until('the flood', () => stats().visitorsTotal === 200);
    expect(stats()).toMatchObject({ visitorsOpen: 10, ends: { evicted: 190 } });
    channel.write(udpFrame('192.0.2.2', 53, 'a real one'));
    await until('its answer', async () => {
      const frame = await channel.readFrame();
      return frame.host === '192.0.2.2' && frame.payload.toString() === 'a real one';
    });
    expect(stats().visitorsOpen).toBeLessThanOrEqual(10);
  });

  test('costs the server no more memory than it allows', async () => {
    const { server, channels, port } = await udpServer(limits);
    const visitors: UdpVisitor[] = [];
    for (let i = 0; i < 30; i++) visitors.push(await UdpVisitor.open(resources, port));
    for (const visitor of visitors) visitor.send('x');
    await until('the flood', () => server.stats().visitorsTotal === 30);
    expect(server.stats()).toMatchObject({ visitorsOpen: 10, ends: { evicted: 20 } });
    const last = visitors.at(-1);
    only(channels).write(udpFrame(HOST, last?.port ?? 0, 'answer'));
    expect((await last?.next())?.toString()).toBe('answer');
  });
});

test('W29: a local service that was down serves the visitors of before again', async () => {
  const port = await freePort();
  const local = await startLocalUdp(resources, port);
  const { peer, stats } = await openClient(resources, { type: 'udp', local: port });
  const { control } = await peer.session(TOKEN);
  const channel = await peer.channel(control);
  channel.write(u32(UDP));
  const ask = (text: string): void => channel.write(udpFrame('192.0.2.1', 53, text));
  ask('before');
  expect((await channel.readFrame()).payload.toString()).toBe('before');
  await local.close();
  for (let i = 0; i < 10; i++) ask(`refused ${i}`);
  await until('the refusals', () => {
    ask('refused again');
    return stats().datagramsDropped > 0;
  });
  await startLocalUdp(resources, port);
  let answered = '';
  const answers = (async () => {
    while (answered !== 'after') answered = (await channel.readFrame()).payload.toString();
  })();
  answers.catch(() => undefined);
  await until('an answer', () => {
    if (answered !== 'after') ask('after');
    return answered === 'after';
  });
  await answers;
  expect(channel.isOpen && control.isOpen).toBe(true);
});

describe('W30: no single datagram ends the service', () => {
  test('neither one that cannot be sent nor one to a wrong family', async () => {
    const { server, client, channels, port } = await udpServer();
    const channel = only(channels);
    const visitor = await UdpVisitor.open(resources, port);
    visitor.send('hello');
    await channel.readFrame();
    channel.write(udpFrame(HOST, visitor.port, Buffer.alloc(65_535)));
    channel.write(udpFrame(HOST, visitor.port, Buffer.alloc(LARGEST + 1)));
    const toIpv6 = '180100000000000000000000000000000000000001282302006869';
    channel.write(Buffer.from(toIpv6, 'hex'));
    channel.write(udpFrame(HOST, visitor.port, 'served'));
    expect((await visitor.next()).toString()).toBe('served');
    expect(server.stats().datagramsDropped).toBe(3);
    expect(client.control.isOpen && channel.isOpen).toBe(true);
  });

  test.each([
    ['a header of no length', '00'],
    ['an unknown family', '0c020000007f0000012823020068690000'],
    ['a header that is too short', '0b000000007f0000012823020068690000'],
  ])('%s ends its channel, another is asked for and serves', async (_what, frame) => {
    const { server, client, channels, port } = await udpServer();
    const channel = only(channels);
    const visitor = await UdpVisitor.open(resources, port);
    visitor.send('hello');
    await channel.readFrame();
    channel.write(Buffer.from(frame, 'hex'));
    await channel.end('the channel to be closed');
    expect(server.stats().ends).toMatchObject({ bad_frame: 1 });
    await client.create();
    const next = await client.channel();
    expect(await next.readU32('a start')).toBe(UDP);
    visitor.send('on the next');
    expect((await next.readFrame()).payload.toString()).toBe('on the next');
    expect(client.control.isOpen).toBe(true);
  });

  test('a channel that breaks takes no other one with it', async () => {
    const { server, client, channels, port } = await udpServer({ udpChannels: 2 });
    const [first, second] = channels;
    first?.reset();
    await until('it to be noticed', () => server.stats().poolReady === 1);
    const visitor = await UdpVisitor.open(resources, port);
    visitor.send('hello');
    expect((await second?.readFrame())?.payload.toString()).toBe('hello');
    await client.create();
  });
});

test('W31: the largest datagram is carried whole, both ways', async () => {
  const local = await startLocalUdp(resources);
  const server = await TestServer.open(resources, { services: { web: 'udp' } });
  const client = new Client({
    remoteAddr: `${HOST}:${server.port}`,
    services: { web: { type: 'udp', localAddr: `${HOST}:${local.port}`, token: TOKEN } },
  });
  resources.use(client);
  await client.start();
  const visitor = await UdpVisitor.open(resources, await server.visitorPort());
  for (const size of [0, 2_049, 9_000, LARGEST]) {
    const payload = Buffer.alloc(size, 'S');
    if (size > 0) {
      const digest = sha256(payload).toString('hex');
      expect((await visitor.ask(payload)).toString()).toBe(`${size} ${digest}`);
    }
    const echoed = Buffer.alloc(size, 'e');
    expect((await visitor.ask(echoed)).equals(echoed)).toBe(true);
  }
});

describe('W32: what does not flow is dropped', () => {
  const limits = { udpChannels: 2, udpBacklogBytes: 100_000 };

  test('a blocked channel holds up no visitor of another one', async () => {
    const { server, channels, port } = await udpServer(limits);
    // Visitors of each channel, found by trying.
    const found = new Map<Wire, UdpVisitor>();
    await until('a visitor on each channel', async () => {
      const visitor = await UdpVisitor.open(resources, port);
      visitor.send('where');
      const channel = await until('its frame', () => channels.find((it) => it.unread.length > 0));
      await channel.readFrame();
      found.set(channel, visitor);
      return found.size === 2;
    });
    const [blocked, live] = channels;
    const flooder = blocked === undefined ? undefined : found.get(blocked);
    const other = live === undefined ? undefined : found.get(live);
    if (live === undefined || other === undefined) throw new Error('no other channel');
    blocked?.socket.pause();
    const large = Buffer.alloc(60_000);
    await until('datagrams to be dropped', async () => {
      for (let i = 0; i < 16; i++) flooder?.send(large);
      await new Promise((resolve) => setImmediate(resolve));
      return server.stats().datagramsDropped > 0;
    });
    // Until the flood is over and read, the system may drop what comes beside it.
    await until('the flood to be sent', () => flooder?.unsent === 0);
    await until('a datagram behind it', () => {
      other.send('behind');
      return live.unread.length > 0;
    });
    other.send('the last');
    while ((await live.readFrame()).payload.toString() !== 'the last');
    for (let i = 0; i < 10; i++) {
      other.send(`not held up ${i}`);
      expect((await live.readFrame()).payload.toString()).toBe(`not held up ${i}`);
      live.write(udpFrame(HOST, other.port, `answer ${i}`));
      expect((await other.next()).toString()).toBe(`answer ${i}`);
    }
    expect(channels.every(({ isOpen }) => isOpen)).toBe(true);
  });

  test('a server that does not read holds up no local service', async () => {
    const local = await startLocalUdp(resources);
    const { peer, stats } = await openClient(resources, { type: 'udp', local: local.port, limits });
    const { control } = await peer.session(TOKEN);
    const [blocked, live] = [await peer.channel(control), await peer.channel(control)];
    for (const channel of [blocked, live]) channel.write(u32(UDP));
    blocked.socket.pause();
    const ask = Buffer.from([0x4e, 0x60, 0xea]); // 60,000 bytes of answer
    await until('answers to be dropped', async () => {
      for (let i = 0; i < 16; i++) blocked.write(udpFrame('192.0.2.1', 53, ask));
      await new Promise((resolve) => setImmediate(resolve));
      return stats().datagramsDropped > 0;
    });
    live.write(udpFrame('192.0.2.2', 53, 'not held up'));
    expect((await live.readFrame()).payload.toString()).toBe('not held up');
    expect(blocked.isOpen && control.isOpen).toBe(true);
  });
});

describe('W33: a datagram is one write', () => {
  /**
   * Writes that Node's sockets hand to the system, by the port that they go to. Those of the Rust
   * engine do not come by here; what came in one piece is seen whoever wrote it.
   */
  function countWrites(): Map<number | undefined, number> {
    const counts = new Map<number | undefined, number>();
    // `_write` and `_writev` are what a stream calls once for each write that reaches the system.
    const prototype = net.Socket.prototype as unknown as Record<'_write' | '_writev', () => void>;
    for (const name of ['_write', '_writev'] as const) {
      const original = prototype[name];
      const spy = vi.spyOn(prototype, name).mockImplementation(function (
        this: net.Socket,
        ...rest: unknown[]
      ) {
        counts.set(this.remotePort, (counts.get(this.remotePort) ?? 0) + 1);
        Reflect.apply(original, this, rest);
      });
      resources.defer(() => spy.mockRestore());
    }
    return counts;
  }

  test('on the server', async () => {
    const { server, channels, port } = await udpServer();
    const channel = only(channels);
    const visitor = await UdpVisitor.open(resources, port);
    const counts = countWrites();
    channel.chunks.length = 0;
    const sizes = [0, 1, 100, 1_400];
    for (const size of sizes) {
      visitor.send(Buffer.alloc(size));
      await channel.readFrame();
    }
    const expected = server.server.engine?.name !== 'rust' ? sizes.length : undefined;
    expect(counts.get(channel.socket.localPort)).toBe(expected);
    expect(channel.chunks).toEqual(sizes.map((size) => 13 + size));
  });

  test('on the client', async () => {
    const local = await startLocalUdp(resources);
    const { client, peer } = await openClient(resources, { type: 'udp', local: local.port });
    const { control } = await peer.session(TOKEN);
    const channel = await peer.channel(control);
    channel.write(u32(UDP));
    // The client's end of the channel writes to the peer's port.
    const counts = countWrites();
    channel.chunks.length = 0;
    const sizes = [0, 1, 100, 1_400];
    for (const size of sizes) {
      channel.write(udpFrame('192.0.2.1', 53, Buffer.alloc(size)));
      await channel.readFrame();
    }
    expect(counts.get(peer.port)).toBe(client.engine?.name !== 'rust' ? sizes.length : undefined);
    expect(channel.chunks).toEqual(sizes.map((size) => 13 + size));
  });
});

describe('W34: a udp channel that fails', () => {
  test.each([
    ['by a malformed frame', (channel: Wire) => channel.write(Buffer.from([0]))],
    ['by FIN', (channel: Wire) => channel.socket.end()],
  ] as const)('%s is closed by the client at once, its sockets too', async (_what, fail) => {
    const local = await startLocalUdp(resources);
    const { peer, stats } = await openClient(resources, { type: 'udp', local: local.port });
    const { control } = await peer.session(TOKEN);
    const channel = await peer.channel(control);
    channel.write(u32(UDP));
    channel.write(udpFrame('192.0.2.1', 53, 'x'));
    await channel.readFrame();
    expect(stats().visitorsOpen).toBe(1);
    fail(channel);
    await channel.end('the channel to be closed');
    await until('its sockets to be closed', () => stats().visitorsOpen === 0);
    expect(control.isOpen).toBe(true);
  });

  test('by FIN is closed by the server at once', async () => {
    const { client, channels } = await udpServer();
    const channel = only(channels);
    channel.socket.end();
    await once(channel.socket, 'close');
    await client.create();
  });
});
