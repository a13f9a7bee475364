/** wire-v1 section 6, WebSocket: W4, W35, W36. */
import { afterEach, describe, expect, test } from 'vitest';
import type { TransportOptions } from '../../ts/index.ts';
import type { Limits } from '../../ts/limits.ts';
import { START_TCP } from '../../ts/protocol/wire.ts';
import { ScriptedClient, ScriptedServer } from '../conformance/scripted.ts';
import { CarriedSocket } from '../helpers/carried-socket.ts';
import { type Carry, Peer } from '../helpers/peer.ts';
import { websocketOf } from '../helpers/peer-damage.ts';
import { PeerListener } from '../helpers/peer-listener.ts';
import {
  acceptUpgrade,
  type Head,
  OPCODE,
  parseHead,
  readHead,
  requestUpgrade,
  upgradeResponse,
  WebsocketCodec,
} from '../helpers/peer-websocket.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { openClientOf, TestServer, TOKEN } from '../helpers/rathole-roles.ts';

const REFUSED = 'cannot connect to the server, will retry';
const PLAIN: TransportOptions = { type: 'websocket', websocket: { tls: false } };
const resources = new Resources();
afterEach(() => resources.close());

function asClient(isOurs: boolean, path = '/'): Carry {
  return async (raw) => {
    await requestUpgrade(raw, { isOurs, path });
    return new CarriedSocket(raw, new WebsocketCodec('client'));
  };
}

function asServer(isOurs: boolean): Carry {
  return async (raw) => {
    await acceptUpgrade(raw, isOurs);
    return new CarriedSocket(raw, new WebsocketCodec('server'));
  };
}

async function session(server: TestServer, isOurs: boolean): Promise<ScriptedClient> {
  const address = { host: '127.0.0.1', port: server.port };
  const connect = async () => resources.use(await Peer.connectCarried(address, asClient(isOurs)));
  return await ScriptedClient.connect(connect, { name: 'web', token: TOKEN });
}

/** A visitor of a server, served by a client that is played by hand. */
async function served(isOurs: boolean, limits: Partial<Limits> = {}) {
  const server = await TestServer.open(resources, { transport: PLAIN, accessLog: true, limits });
  const client = await session(server, isOurs);
  const channel = await client.channel();
  await until('the pool', () => server.stats().poolReady === 1);
  const port = await server.visitorPort();
  const visitor = resources.use(await Peer.connect({ host: '127.0.0.1', port }));
  await channel.read(START_TCP.length);
  return { server, client, channel, visitor };
}

describe('W4: an upgrade that fails is tried again', () => {
  const answer = (text: string) => (peer: Peer) => void peer.write(text).then(() => peer.end());
  const changed = (from: RegExp, to: string) => async (peer: Peer) => {
    let text = '';
    while (!text.endsWith('\r\n\r\n')) text += (await peer.read(1)).toString();
    await peer.write(upgradeResponse(parseHead(text)).replace(from, to));
  };

  test.each<[string, (peer: Peer) => unknown]>([
    ['502', answer('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')],
    ['404 with a body', answer(`HTTP/1.1 404 Not Found\r\n\r\n${'x'.repeat(100_000)}`)],
    ['200', answer('HTTP/1.1 200 OK\r\n\r\n')],
    ['something else than HTTP', answer('SSH-2.0-OpenSSH_9.2\r\n')],
    ['a head without end', answer(`HTTP/1.1 101 OK\r\n${'x: y\r\n'.repeat(10_000)}`)],
    ['a wrong accept', changed(/accept: ./, 'accept: ?')],
    ['no accept', changed(/sec-websocket-accept/, 'x')],
    ['no upgrade', changed(/upgrade: websocket/, 'upgrade: h2c')],
  ])('%s', async (_what, serve) => {
    const listener = await PeerListener.open({ serve: (peer) => void serve(peer) });
    const { port } = listener.address;
    const { log, client } = await openClientOf(resources, `127.0.0.1:${port}`, PLAIN);
    await log.waitFor(REFUSED, { reason: 'upgrade_refused' });
    const { fields } = await log.waitFor('waiting before the next attempt');
    expect(Number(fields['delayMs'])).toBeGreaterThan(300);
    await listener.close();
    const server = await ScriptedServer.open(asServer(true), port);
    resources.defer(() => server.close());
    await until('it to be connected', () => client.isConnected('web'));
  });

  test('a close in place of an answer', async () => {
    const listener = await PeerListener.open({
      serve: (peer) => void peer.read(10).then(() => peer.end()),
    });
    resources.defer(() => listener.close());
    const remote = `127.0.0.1:${listener.address.port}`;
    const { log } = await openClientOf(resources, remote, PLAIN);
    await log.waitFor(REFUSED, { reason: 'handshake_eof' });
    await log.waitFor('waiting before the next attempt');
  });
});

describe('W35: half-close', () => {
  test('towards ours Close goes at once, and the answer still comes', async () => {
    const { channel, visitor } = await served(true);
    await visitor.write('request');
    await visitor.end();
    expect((await channel.rest()).toString()).toBe('request');
    await channel.write('answer');
    await channel.end();
    expect((await visitor.rest()).toString()).toBe('answer');
  });

  test('towards a stock peer Close waits until it has ended: no answer is lost', async () => {
    const { server, channel, visitor } = await served(false);
    const { codec } = websocketOf(channel);
    await visitor.write('request');
    await visitor.end();
    expect((await channel.read(7)).toString()).toBe('request');
    await channel.write('a long ');
    expect((await visitor.read(7)).toString()).toBe('a long ');
    expect(codec.control).toEqual([]);
    await channel.write('answer');
    await channel.end();
    expect((await visitor.rest()).toString()).toBe('answer');
    // Now it may go.
    await channel.fin();
    expect(codec.control.map(({ opcode }) => opcode)).toEqual([OPCODE.close]);
    await server.log.waitFor('visitor', { reason: 'visitor_fin' });
  });

  test.each([true, false])('Close is the end of one direction only, ours: %s', async (isOurs) => {
    const { server, channel, visitor } = await served(isOurs);
    await channel.write('banner');
    await channel.end();
    expect((await visitor.rest()).toString()).toBe('banner');
    await visitor.write('still here');
    expect((await channel.read(10)).toString()).toBe('still here');
    await visitor.end();
    await channel.fin();
    await server.log.waitFor('visitor', { reason: 'local_fin' });
  });

  test('a client says Close at once: whoever waits for the end of an answer gets it', async () => {
    const local = await startLocalTcp(resources);
    const server = await ScriptedServer.open(asServer(false));
    resources.defer(() => server.close());
    const remote = `127.0.0.1:${server.address.port}`;
    await openClientOf(resources, remote, PLAIN, local.port);
    await until('the control channel', () => server.controls.length > 0);
    await server.create();
    const channel = await server.channel();
    // The local service answers 3 bytes and FIN, then reads on.
    await channel.write(Buffer.concat([START_TCP, Buffer.from('D\x03\0\0\0')]));
    await channel.read(3);
    const { codec } = websocketOf(channel);
    await until('Close', () => codec.control.length > 0);
    expect(codec.control.map(({ opcode }) => opcode)).toEqual([OPCODE.close]);
  });

  test('a Close that is held back is said when the stock peer has been silent', async () => {
    const { server, channel, visitor } = await served(false, { closeHoldMs: 50 });
    const { below, codec } = websocketOf(channel);
    await visitor.write('asks');
    await visitor.end();
    expect((await channel.read(4)).toString()).toBe('asks');
    await until('Close', () => codec.control.length > 0);
    expect(codec.control.map(({ opcode }) => opcode)).toEqual([OPCODE.close]);
    // A stock peer ends both directions then.
    await below.end();
    await server.log.waitFor('visitor', { reason: 'visitor_fin' });
  });
});

describe('W36: what comes is taken as the RFC has it', () => {
  test('a ping is answered for a peer that is ours', async () => {
    const { channel, visitor } = await served(true);
    const { below, codec } = websocketOf(channel);
    below.write(codec.frame(Buffer.from('alive?'), { opcode: OPCODE.ping }));
    await until('the pong', () => codec.control.length > 0);
    expect(codec.control[0]).toMatchObject({ opcode: OPCODE.pong });
    expect(codec.control[0]?.payload.toString()).toBe('alive?');
    await channel.write('on');
    expect((await visitor.read(2)).toString()).toBe('on');
  });

  test('a ping of a stock peer harms nothing and gets no pong, which would end its channel', async () => {
    const { channel, visitor } = await served(false);
    const { below, codec } = websocketOf(channel);
    below.write(codec.frame(Buffer.alloc(125), { opcode: OPCODE.ping }));
    below.write(codec.frame(Buffer.alloc(3), { opcode: OPCODE.pong }));
    await channel.write('on');
    expect((await visitor.read(2)).toString()).toBe('on');
    await visitor.write('and on');
    expect((await channel.read(6)).toString()).toBe('and on');
    expect(codec.control).toEqual([]);
  });

  test('a ping on a control channel harms no session', async () => {
    const server = await TestServer.open(resources, { transport: PLAIN });
    const client = await session(server, false);
    const { below, codec } = websocketOf(client.control);
    below.write(codec.frame(Buffer.from('alive?'), { opcode: OPCODE.ping }));
    const channel = await client.channel();
    await until('the pool', () => server.stats().poolReady === 1);
    expect(channel.closed || client.control.closed).toBe(false);
  });

  test('fragments and empty frames are one stream of bytes', async () => {
    const { channel, visitor } = await served(false);
    const { below, codec } = websocketOf(channel);
    const part = (text: string, opcode: number, fin: boolean) =>
      below.write(codec.frame(Buffer.from(text), { opcode, fin }));
    part('', OPCODE.binary, true);
    part('one ', OPCODE.binary, false);
    part('', OPCODE.continuation, false);
    below.write(codec.frame(Buffer.from('between'), { opcode: OPCODE.ping }));
    part('two ', OPCODE.continuation, false);
    part('three', OPCODE.continuation, true);
    part(' four', OPCODE.binary, true);
    expect((await visitor.read(18)).toString()).toBe('one two three four');
  });

  test.each([
    ['text', { opcode: OPCODE.text }],
    ['reserved bits', { reserved: 4 }],
    ['no mask', { masked: false }],
    ['an unknown opcode', { opcode: 3 }],
    ['a continuation of nothing', { opcode: OPCODE.continuation }],
    ['a ping that is fragmented', { opcode: OPCODE.ping, fin: false }],
    ['a frame beyond 16 MiB', { length: 16 * 1_048_576 + 1 }],
  ] as const)('%s resets the visitor: bad_record', async (_what, options) => {
    const { server, channel, visitor } = await served(true);
    const { below, codec } = websocketOf(channel);
    await channel.write('before');
    expect((await visitor.read(6)).toString()).toBe('before');
    below.write(codec.frame(Buffer.from('never'), options));
    await visitor.over();
    expect(visitor.wasReset).toBe(true);
    expect(visitor.received).toBe(6);
    await server.log.waitFor('visitor', { reason: 'bad_record' });
  });

  test('a frame of 16 MiB is passed on as it comes', async () => {
    const { channel, visitor } = await served(false);
    const { below, codec } = websocketOf(channel);
    const size = 16 * 1_048_576;
    const whole = codec.frame(Buffer.alloc(size, 'x'));
    // Half of it: no engine may wait for the rest.
    below.write(whole.subarray(0, size / 2));
    await visitor.until(() => visitor.received > size / 2 - 1_000, 'the half that was sent');
    below.write(whole.subarray(size / 2));
    expect(await visitor.read(size)).toHaveLength(size);
  });
});

describe('W36: the upgrade', () => {
  test('a response that a CDN has rewritten is accepted', async () => {
    const server = await ScriptedServer.open(async (raw) => {
      const text = upgradeResponse(await readHead(raw));
      const lines = text
        .replace('connection: Upgrade', 'Server: cdn\r\nCONNECTION: keep-alive, upgrade')
        .replace('upgrade: websocket', 'Upgrade: WebSocket');
      raw.write(lines);
      return new CarriedSocket(raw, new WebsocketCodec('server'));
    });
    resources.defer(() => server.close());
    const { client } = await openClientOf(resources, `127.0.0.1:${server.address.port}`, PLAIN);
    await until('it to be connected', () => client.isConnected('web'));
  });

  async function requestOf(host: string, websocket: object): Promise<Head> {
    let head: Head | undefined;
    const port = await freePort();
    const server = await ScriptedServer.open(async (raw) => {
      head ??= await acceptUpgrade(raw, true);
      return new CarriedSocket(raw, new WebsocketCodec('server'));
    }, port);
    resources.defer(() => server.close());
    const transport = { type: 'websocket' as const, websocket: { tls: false, ...websocket } };
    await openClientOf(resources, `${host}:${port}`, transport);
    return await until('a request', () => head);
  }

  test('a client asks as rathole does, and says that it is ours at the end', async () => {
    const head = await requestOf('LocalHost', {});
    const port = head.headers.get('host')?.split(':')[1];
    const key = head.headers.get('sec-websocket-key');
    expect(head.text).toBe(
      [
        'GET / HTTP/1.1',
        `Host: localhost:${port}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${key}`,
        'X-Warren: 1',
        '\r\n',
      ].join('\r\n'),
    );
    expect(Buffer.from(key ?? '', 'base64')).toHaveLength(16);
  });

  test('path, further headers and the host are the operator’s', async () => {
    const head = await requestOf('127.0.0.1', {
      path: '/a/path?with=query',
      headers: { Authorization: 'Bearer x', Host: 'cdn.test' },
    });
    expect(head.line).toBe('GET /a/path?with=query HTTP/1.1');
    expect(head.headers.get('host')).toBe('cdn.test');
    expect(head.headers.get('authorization')).toBe('Bearer x');
    expect(head.text.match(/^host:/gim)).toHaveLength(1);
  });

  const raw = async (server: TestServer, request: string): Promise<string> => {
    const peer = resources.use(await Peer.connect({ host: '127.0.0.1', port: server.port }));
    await peer.write(request);
    await peer.over();
    return peer.take(peer.buffered).toString();
  };
  const good = [
    'GET /tunnel HTTP/1.1',
    'Host: x',
    'Connection: keep-alive, Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    '\r\n',
  ].join('\r\n');

  test.each([
    ['another path', good.replace('/tunnel', '/'), 404],
    ['another method', good.replace('GET', 'POST'), 405],
    ['no upgrade', good.replace('Upgrade: websocket', 'X: y'), 426],
    ['no key', good.replace('Sec-WebSocket-Key', 'X'), 400],
    ['another version', good.replace('13', '8'), 426],
    ['too many headers', good.replace('Host', `${'X: y\r\n'.repeat(70)}Host`), 400],
    ['a head beyond 16 KiB', good.replace('Host: x', `Host: ${'x'.repeat(17_000)}`), 400],
  ])('a server answers %s', async (_what, request, status) => {
    const transport: TransportOptions = {
      type: 'websocket',
      websocket: { tls: false, path: '/tunnel' },
    };
    const server = await TestServer.open(resources, { transport });
    const answer = await raw(server, request);
    expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    await until('it to be counted', () => server.rejected('upgrade_refused') === 1);
  });

  test('a server answers as rathole does, and says that it is ours only to ours', async () => {
    const server = await TestServer.open(resources, { transport: PLAIN });
    for (const isOurs of [false, true]) {
      const peer = resources.use(await Peer.connect({ host: '127.0.0.1', port: server.port }));
      await peer.write(isOurs ? good.replace('Host', 'X-Warren: 1\r\nHost') : good);
      const expected = [
        'HTTP/1.1 101 Switching Protocols',
        'connection: Upgrade',
        'upgrade: websocket',
        'sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=',
        ...(isOurs ? ['x-warren: 1'] : []),
        '\r\n',
      ].join('\r\n');
      expect((await peer.read(expected.length)).toString()).toBe(expected);
    }
  });
});
