import { describe, expect, test } from 'vitest';
import type { ClientConfig, ServerConfig } from '../../../ts/config/config.ts';
import { parseConfig } from '../../../ts/config/load.ts';
import { readWholeFile } from '../../../ts/config/sources.ts';
import { dialChange, dialSpec, listenTransport } from '../../../ts/control/transport.ts';
import { certificateFile, identity, keyFile, rootFile, roots } from '../../helpers/certificates.ts';

const KEY = 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=';

function server(transport: string): ServerConfig {
  const text = `[server]\nbind_addr = "h:1"\n[server.transport]\n${transport}\n`;
  const { config } = parseConfig(text, { file: 'x', readFile: readWholeFile });
  if (config.server === undefined) throw new Error('no server');
  return config.server;
}

function client(transport: string, remote = 'tunnel.test:1'): ClientConfig {
  const text = `[client]\nremote_addr = "${remote}"\n[client.transport]\n${transport}\n`;
  const { config } = parseConfig(text, { file: 'x', readFile: readWholeFile });
  if (config.client === undefined) throw new Error('no client');
  return config.client;
}

const TCP = { nodelay: true, keepaliveMs: 20_000, keepaliveIntervalMs: 8_000 };
const serverTls = () =>
  `tls = { cert = "${certificateFile('ecdsa')}", key = "${keyFile('ecdsa')}" }`;
const clientTls = () => `tls = { trusted_root = "${rootFile()}" }`;
const bytes = (list: readonly Uint8Array[]) => list.map((each) => Buffer.from(each));

describe('what an engine is told', () => {
  test('tcp', () => {
    expect(listenTransport(server('type = "tcp"'))).toEqual({ type: 'tcp', tcp: TCP });
    expect(dialSpec(client('type = "tcp"'))).toEqual({
      remote: { host: 'tunnel.test', port: 1 },
      preferIpv6: false,
      transport: { type: 'tcp', tcp: TCP },
      proxy: undefined,
    });
  });

  test('tls of a server: its identity, and whose clients it takes', () => {
    const spec = listenTransport(server(`type = "tls"\n${serverTls()}`));
    if (spec.type !== 'tls') throw new Error(spec.type);
    const { chain, key } = identity('ecdsa');
    expect(spec.tls.identities.map((each) => bytes(each.chain))).toEqual([bytes(chain)]);
    expect(bytes(spec.tls.identities.map((each) => each.key))).toEqual(bytes([key]));
    expect(spec.tls.roots).toEqual([]);
    const mutual = serverTls().replace(' }', `, client_root = "${rootFile()}" }`);
    const asking = listenTransport(server(`type = "tls"\n${mutual}`));
    expect(asking.type === 'tls' && bytes(asking.tls.roots)).toEqual(bytes(roots()));
  });

  test.each([
    ['tunnel.test:1', '', 'tunnel.test'],
    ['tunnel.test.:1', '', 'tunnel.test'],
    ['[::1]:1', '', '::1'],
    ['[fe80::1%eth0]:1', '', 'fe80::1'],
    ['127.0.0.1:1', '', '127.0.0.1'],
    ['tunnel.test:1', 'other.test', 'other.test'],
    ['tunnel.test:1', 'other.test.', 'other.test'],
  ])('tls of a client: %s, hostname "%s"', (remote, hostname, expected) => {
    const named = clientTls().replace(
      ' }',
      hostname === '' ? ' }' : `, hostname = "${hostname}" }`,
    );
    const { transport } = dialSpec(client(`type = "tls"\n${named}`, remote));
    expect(transport).toMatchObject({ type: 'tls', tls: { hostname: expected, identities: [] } });
    expect(transport.type === 'tls' && bytes(transport.tls.roots)).toEqual(bytes(roots()));
  });

  test('noise: raw keys; without one of its own all of a process have the same random one', () => {
    const [a, b] = ['nodelay = true', 'nodelay = false'].map((tcp) =>
      listenTransport(
        server(`type = "noise"\ntcp = { ${tcp} }\nnoise.pattern = "Noise_XX_25519_AESGCM_SHA256"`),
      ),
    );
    if (a?.type !== 'noise' || b?.type !== 'noise') throw new Error('another type');
    expect(a.noise.localPrivateKey).toHaveLength(32);
    expect(a.noise.localPrivateKey).toEqual(b.noise.localPrivateKey);
    expect(new Set(a.noise.localPrivateKey).size).toBeGreaterThan(1);
    const { transport } = dialSpec(
      client(
        `type = "noise"\nnoise = { local_private_key = "${KEY}", remote_public_key = "${KEY}" }`,
      ),
    );
    const raw = Buffer.from(Array.from({ length: 32 }, (_, index) => index + 1));
    expect(transport).toEqual({
      type: 'noise',
      tcp: TCP,
      noise: {
        pattern: 'Noise_NK_25519_ChaChaPoly_BLAKE2s',
        localPrivateKey: raw,
        remotePublicKey: raw,
      },
    });
  });

  test('websocket, plain and over tls', () => {
    const plain =
      'type = "websocket"\nwebsocket = { tls = false, headers = { Host = "x", A = "" } }';
    expect(dialSpec(client(plain)).transport).toEqual({
      type: 'websocket',
      tcp: TCP,
      websocket: {
        path: '/',
        headers: [
          ['Host', 'x'],
          ['A', ''],
        ],
      },
      tls: undefined,
    });
    const secure = `type = "websocket"\nwebsocket = { tls = true, path = "/t" }\n${serverTls()}`;
    expect(listenTransport(server(secure))).toMatchObject({
      websocket: { path: '/t', headers: [] },
      tls: { identities: [{}] },
    });
  });

  test.each([
    ['http://proxy.test', 'http', 'proxy.test', 80, undefined],
    ['socks5://proxy.test', 'socks5', 'proxy.test', 1080, undefined],
    ['socks5://[::1]:9', 'socks5', '::1', 9, undefined],
    ['http://u%40x:p%3A%2F@h:8080/', 'http', 'h', 8080, { username: 'u@x', password: 'p:/' }],
    ['http://u@h:1', 'http', 'h', 1, { username: 'u', password: '' }],
    ['socks5://:p@h', 'socks5', 'h', 1080, { username: '', password: 'p' }],
  ])('proxy %s', (url, type, host, port, credentials) => {
    const { proxy } = dialSpec(client(`type = "tcp"\ntcp.proxy = "${url}"`));
    expect(proxy).toEqual({ type, address: { host, port }, credentials });
  });

  test('a server has no proxy', () => {
    const spec = listenTransport(server('type = "tcp"\ntcp.proxy = "http://h"'));
    expect(spec).toEqual({ type: 'tcp', tcp: TCP });
  });
});

describe('what a change of it asks of a client', () => {
  const base = () => `type = "tls"\n${clientTls()}`;
  const change = (after: string, remote?: string) =>
    dialChange(dialSpec(client(base())), dialSpec(client(after, remote)));

  test('nothing', () => expect(change(base())).toBe('none'));

  test('other roots or another identity: connections from now on', () => {
    expect(change(base().replace(rootFile(), rootFile('other-ca')))).toBe('renew');
    const own = `, cert = "${certificateFile('client')}", key = "${keyFile('client')}" }`;
    expect(change(base().replace(' }', own))).toBe('renew');
  });

  test.each([
    ['another name', () => base().replace(' }', ', hostname = "x" }'), undefined],
    ['another server', base, 'h:2'],
    ['another transport', () => 'type = "tcp"', undefined],
    ['a proxy', () => `tcp.proxy = "http://h"\n${base()}`, undefined],
    ['socket options', () => `tcp.nodelay = false\n${base()}`, undefined],
  ])('%s: all dial again', (_, after, remote) => {
    expect(change(after(), remote)).toBe('reconnect');
  });

  test('another Noise key', () => {
    const noise = (key: string) =>
      dialSpec(client(`type = "noise"\nnoise.remote_public_key = "${key}"`));
    const other = Buffer.alloc(32, 7).toString('base64');
    expect(dialChange(noise(KEY), noise(other))).toBe('reconnect');
    expect(dialChange(noise(KEY), noise(KEY))).toBe('none');
  });
});
