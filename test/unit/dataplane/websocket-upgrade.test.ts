import { describe, expect, it } from 'vitest';
import { websocketClient, websocketServer } from '../../../ts/dataplane/transport/websocket.ts';
import { acceptOf } from '../../../ts/dataplane/transport/websocket-upgrade.ts';
import type { HostPort, WebsocketSpec } from '../../../ts/engine/spec.ts';
import { HandshakeSide, handshakes } from '../../helpers/handshakes.ts';

const ANY: WebsocketSpec = { path: '/', headers: [] };
const REMOTE: HostPort = { host: 'Tunnel.Example', port: 2333 };
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

const lines = (bytes: Buffer): string[] => bytes.toString('latin1').split('\r\n');
const http = (...text: string[]): Buffer => Buffer.from(`${text.join('\r\n')}\r\n\r\n`, 'latin1');

it('answers the key of RFC 6455', () => {
  expect(acceptOf(KEY)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

it.each([false, true])('connects our client and our server, byte by byte: %s', (split) => {
  const { first, second } = handshakes(
    websocketClient(ANY, REMOTE, false),
    websocketServer(ANY),
    split,
  );
  expect([first.state, second.state]).toEqual(['done', 'done']);
  // They know each other: Close goes out at once.
  expect(first.ready.finish(false)).not.toBe('later');
  expect(second.ready.finish(false)).not.toBe('later');
});

describe('client', () => {
  const request = (spec: WebsocketSpec, remote = REMOTE, overTls = false): string[] =>
    lines(new HandshakeSide(websocketClient(spec, remote, overTls)).take());
  /** A client that has asked, and the answer to its key. */
  const asked = () => {
    const side = new HandshakeSide(websocketClient(ANY, REMOTE, false));
    const key = lines(side.take())
      .find((line) => line.startsWith('Sec-WebSocket-Key: '))
      ?.slice(19);
    return { side, accept: `sec-websocket-accept: ${acceptOf(key ?? '')}` };
  };
  const OK = 'HTTP/1.1 101 Switching Protocols';

  it('asks in the order that rathole has', () => {
    const found = request(ANY).map((line) => line.replace(/(?<=-Key: ).{24}$/, '<key>'));
    expect(found).toEqual([
      'GET / HTTP/1.1',
      'Host: tunnel.example:2333',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: <key>',
      'X-Warren: 1',
      '',
      '',
    ]);
  });

  it('asks with the path and headers that are configured; a Host among them replaces ours', () => {
    const headers = [
      ['Authorization', 'Bearer x'],
      ['host', 'cdn.example'],
      ['X-Trace', 'y'],
    ] as const;
    const found = request({ path: '/tunnel?a=b', headers });
    expect(found[0]).toBe('GET /tunnel?a=b HTTP/1.1');
    expect(found[1]).toBe('Host: cdn.example');
    expect(found.slice(6)).toEqual([
      'X-Warren: 1',
      'Authorization: Bearer x',
      'X-Trace: y',
      '',
      '',
    ]);
  });

  it.each([
    [{ host: 'a.example', port: 80 }, false, 'a.example'],
    [{ host: 'a.example', port: 80 }, true, 'a.example:80'],
    [{ host: 'a.example', port: 443 }, true, 'a.example'],
    [{ host: 'a.example', port: 443 }, false, 'a.example:443'],
    [{ host: '::1', port: 80 }, false, '[::1]'],
    [{ host: '::1', port: 8080 }, false, '[::1]:8080'],
  ])('names %o, over TLS: %s, as %s', (remote, overTls, host) => {
    expect(request(ANY, remote, overTls)[1]).toBe(`Host: ${host}`);
  });

  it.each([
    [{ path: '/', headers: [['X-A', 'b\r\nX-C: d']] as const }, REMOTE],
    [{ path: '/ü', headers: [] }, REMOTE],
    [ANY, { host: 'bücher.example', port: 80 }],
  ])('writes no head that could be another one', (spec, remote) => {
    const side = new HandshakeSide(websocketClient(spec, remote, false));
    expect(side.shaken.refused?.reason).toBe('upgrade_refused');
    expect(side.shaken.sent).toHaveLength(0);
  });

  it.each(['Upgrade', 'upgrade', 'keep-alive, Upgrade'])('takes Connection: %s', (connection) => {
    const { side, accept } = asked();
    const head = http(OK, 'UPGRADE: WebSocket', `Connection: ${connection}`, accept);
    side.feed(Buffer.concat([head, Buffer.from([0x82, 0])]));
    expect(side.state).toBe('done');
    expect(side.shaken.rest).toEqual(Buffer.from([0x82, 0]));
    // A stock peer: no pong.
    expect(side.ready.open(Buffer.of(0x89, 0)).reply).toBeUndefined();
  });

  it.each<[string, string[], string]>([
    ['another status', ['HTTP/1.1 502 Bad Gateway'], '502 Bad Gateway'],
    ['a redirect', ['HTTP/1.1 301', 'Location: https://b.example/'], 'https://b.example/'],
    ['no Upgrade', [OK, 'connection: upgrade'], 'Upgrade: websocket'],
    ['no Connection', [OK, 'upgrade: websocket'], 'Connection: Upgrade'],
    ['no answer', [OK, 'upgrade: websocket', 'connection: upgrade'], 'Sec-WebSocket-Accept'],
    [
      'a wrong answer',
      [OK, 'upgrade: websocket', 'connection: upgrade', 'sec-websocket-accept: x'],
      'not the answer to our key',
    ],
    ['a broken line', [OK, 'upgrade websocket'], 'no HTTP response'],
  ])('W4: %s is refused with a text', (_name, head, text) => {
    const { side } = asked();
    side.feed(http(...head));
    expect(side.refused?.reason).toBe('upgrade_refused');
    expect(side.refused?.message).toContain(text);
  });

  it('what a peer wrote cannot break a line of a log', () => {
    const { side } = asked();
    side.feed(http('HTTP/1.1 500 a\tb\x1b[31mc'));
    expect(side.refused?.message).toMatch(/^500 a\?b\?\[31mc:/);
  });

  it('refuses what is not HTTP by its first bytes, and a head without an end', () => {
    expect(asked().side.feed(Buffer.from('HTTQ')).refused?.reason).toBe('upgrade_refused');
    const { side } = asked();
    side.feed(http(OK).subarray(0, -4));
    side.feed(Buffer.alloc(16_383 - OK.length, 'x'));
    expect(side.state).toBe('wait');
    side.feed(Buffer.from('x'));
    expect(side.refused?.message).toContain('longer than 16384 bytes');
  });
});

describe('server', () => {
  const REQUEST = [
    'GET / HTTP/1.1',
    'Host: a',
    'Connection: keep-alive, Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
  ];
  const ask = (spec: WebsocketSpec, ...head: string[]): HandshakeSide =>
    new HandshakeSide(websocketServer(spec)).feed(http(...head));
  const without = (name: string): string[] => REQUEST.filter((line) => !line.startsWith(name));

  it('answers a stock client as rathole does', () => {
    const side = ask(ANY, ...REQUEST);
    expect(lines(side.shaken.sent)).toEqual([
      'HTTP/1.1 101 Switching Protocols',
      'connection: Upgrade',
      'upgrade: websocket',
      'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      '',
      '',
    ]);
    expect(side.ready.finish(false)).toBe('later');
  });

  it('tells a client that is ours that we are warren, too', () => {
    const side = ask(ANY, ...REQUEST, 'x-warren: 1');
    expect(lines(side.shaken.sent)).toContain('x-warren: 1');
    expect(side.ready.finish(false)).not.toBe('later');
  });

  it('takes any path where it has none, else its own only', () => {
    const at = (path: string): string[] => [`GET ${path} HTTP/1.1`, ...REQUEST.slice(1)];
    expect(ask(ANY, ...at('/anything?x')).state).toBe('done');
    const own = { path: '/tunnel', headers: [] };
    expect(ask(own, ...at('/tunnel')).state).toBe('done');
    expect(ask(own, ...at('/tunnel?x=y')).state).toBe('done');
    const other = ask(own, ...at('/'));
    expect(lines(other.shaken.sent)[0]).toBe('HTTP/1.1 404 Not Found');
    expect(other.refused?.reason).toBe('upgrade_refused');
    expect(other.refused?.message).toContain('/tunnel');
  });

  it.each<[string, string[], string]>([
    ['POST', ['POST / HTTP/1.1', ...REQUEST.slice(1)], '405 Method Not Allowed'],
    ['HTTP/1.0', ['GET / HTTP/1.0', ...REQUEST.slice(1)], '400 Bad Request'],
    ['no version', without('Sec-WebSocket-Version'), '426 Upgrade Required'],
    ['no upgrade', without('Upgrade'), '426 Upgrade Required'],
    ['no connection', without('Connection'), '426 Upgrade Required'],
    ['no key', without('Sec-WebSocket-Key'), '400 Bad Request'],
    ['a broken line', [...REQUEST, ' folded'], '400 Bad Request'],
    ['a NUL', [...REQUEST, 'X-A: b\0c'], '400 Bad Request'],
    ['a control character', [...REQUEST, 'X-A: b\x7fc'], '400 Bad Request'],
    ['a CR alone', [...REQUEST, 'X-A: b\rc'], '400 Bad Request'],
    [
      '65 headers',
      [...REQUEST, ...Array.from({ length: 60 }, (_, i) => `x${i}: y`)],
      '400 Bad Request',
    ],
  ])('%s is answered and refused', (_name, head, status) => {
    const side = ask(ANY, ...head);
    expect(lines(side.shaken.sent)[0]).toBe(`HTTP/1.1 ${status}`);
    expect(lines(side.shaken.sent).at(-3)).toBe('content-length: 0');
    expect(side.refused?.reason).toBe('upgrade_refused');
  });

  it('takes an empty line before the request (RFC 9112 2.2)', () => {
    expect(ask(ANY, '', ...REQUEST).state).toBe('done');
  });

  it('takes 64 headers', () => {
    const more = Array.from({ length: 59 }, (_, i) => `x${i}: y`);
    expect(ask(ANY, ...REQUEST, ...more).state).toBe('done');
  });

  it('refuses what is not HTTP by its first byte, and a head without an end', () => {
    const tls = new HandshakeSide(websocketServer(ANY)).feed(Buffer.from([0x16]));
    expect(tls.refused?.reason).toBe('upgrade_refused');
    const side = new HandshakeSide(websocketServer(ANY)).feed(Buffer.from('GET /'));
    side.feed(Buffer.alloc(16_378, 'x'));
    expect(side.state).toBe('wait');
    side.feed(Buffer.from('x'));
    expect(lines(side.shaken.sent)[0]).toBe('HTTP/1.1 400 Bad Request');
  });

  it('what a client sends before our answer is for the codec', () => {
    const side = new HandshakeSide(websocketServer(ANY));
    side.feed(Buffer.concat([http(...REQUEST), Buffer.from('early')]));
    expect(side.shaken.rest.toString()).toBe('early');
  });
});
