/** warren through real proxies: tinyproxy (HTTP CONNECT) and microsocks (SOCKS 5). */
import { afterEach, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { logLine, logRecords } from '../helpers/process-daemon.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, echoBlob, UdpVisitor } from '../helpers/program-visitor.ts';
import { canNameHosts } from '../helpers/programs.ts';
import {
  type ProxyScheme,
  proxyProgram,
  startProxy,
  targetsOf,
} from '../helpers/proxy-programs.ts';
import { Tunnel, type TunnelOptions } from '../helpers/rathole-tunnel.ts';
import { TRANSPORTS, type TransportName, transportLines } from '../helpers/transport-cases.ts';
import { makeWitness } from '../helpers/witness.ts';

const SIZE = 1_048_576;
const REFUSED = 'cannot connect to the server, will retry';
/** What tinyproxy takes is narrow; what is encoded here is decoded to be the same. */
const LOGINS = {
  http: { username: 'carrier', password: 'se-cret.word', encoded: 'carrier:se%2dcret%2Eword' },
  socks5: {
    username: 'car rier',
    password: 'p@ss:w%rd/é',
    encoded: 'car%20rier:p%40ss%3Aw%25rd%2F%C3%A9',
  },
} as const;

const SCHEMES = (['http', 'socks5'] as const).filter((scheme) => proxyProgram(scheme));
const resources = new Resources();
afterEach(() => resources.close());

interface Through {
  readonly transport?: TransportName;
  readonly proxy: string;
  readonly tunnel?: Partial<TunnelOptions>;
  /** Whether it is expected to come up. */
  readonly comesUp?: boolean;
}

async function open({ transport = 'tcp', proxy, tunnel, comesUp = true }: Through) {
  const local = await startLocalTcp(resources);
  const localUdp = await startLocalUdp(resources);
  const lines = transportLines(transport);
  const client = lines.client === '' ? '[client.transport]\ntype = "tcp"\n' : lines.client;
  return await Tunnel.open(resources, {
    server: 'warren',
    client: 'warren',
    services: { web: { local: local.port }, dns: { type: 'udp', local: localUdp.port } },
    serverKeys: lines.server,
    clientKeys: `${client}\n[client.transport.tcp]\nproxy = "${proxy}"\n`,
    ...(comesUp ? {} : { awaited: [] }),
    ...tunnel,
  });
}

if (SCHEMES.length < 2) test.skip('a proxy is not installed: its name is printed above');

describe.each(SCHEMES)('%s', (scheme: ProxyScheme) => {
  const { encoded, ...credentials } = LOGINS[scheme];

  test.each(TRANSPORTS)('carries every channel of %s, with credentials', async (transport) => {
    const proxy = await startProxy(resources, scheme, { credentials });
    const url = `${scheme}://${encoded}@127.0.0.1:${proxy.port}`;
    const tunnel = await open({ transport, proxy: url });
    expect(await echoBlob(tunnel.port('web'), SIZE)).toBe(blobDigest(SIZE));
    const visitors = await Promise.all(
      Array.from({ length: 20 }, () => EchoVisitor.open(resources, tunnel.port('web'))),
    );
    await Promise.all(visitors.map((visitor) => visitor.ping()));
    await (await UdpVisitor.open(resources, tunnel.port('dns'))).warmUp();
    const targets = new Set(targetsOf(proxy));
    expect([...targets]).toEqual([`127.0.0.1:${tunnel.controlPort}`]);
    // Two control channels, and one data channel per visitor at least.
    expect(targetsOf(proxy).length).toBeGreaterThan(22);
  });

  test('W27: no log has the credentials, at any level, in any form', async () => {
    const proxy = await startProxy(resources, scheme, { credentials });
    const url = `${scheme}://${encoded}@127.0.0.1:${proxy.port}`;
    const tunnel = await open({ proxy: url });
    await proxy.daemon.kill();
    await tunnel.client.waitFor('the proxy to be missed', logLine(REFUSED));
    await tunnel.client.stop();
    const { username, password } = credentials;
    const basic = Buffer.from(`${username}:${password}`).toString('base64');
    const forms = [password, encoded, encoded.split(':')[1], encodeURIComponent(password), basic];
    const log = tunnel.client.lines.join('\n');
    for (const form of forms) expect(log).not.toContain(form);
  });

  test('asks for nothing where there are no credentials', async () => {
    const proxy = await startProxy(resources, scheme);
    const tunnel = await open({ proxy: `${scheme}://127.0.0.1:${proxy.port}` });
    await EchoVisitor.open(resources, tunnel.port('web'));
  });

  test.each([
    ['wrong', 'carrier:wrong@'],
    ['missing', ''],
  ])('credentials that are %s are told as proxy_refused and tried again', async (_what, login) => {
    const proxy = await startProxy(resources, scheme, { credentials });
    const url = `${scheme}://${login}127.0.0.1:${proxy.port}`;
    const tunnel = await open({ proxy: url, comesUp: false });
    const { client } = tunnel;
    const told = logLine(REFUSED, { reason: 'proxy_refused' });
    await client.waitFor('the refusal', told);
    await waitsBetween(tunnel);
    expect(client.running).toBe(true);
  });

  test('a server that the proxy cannot reach is told, and reached when it is there', async () => {
    const proxy = await startProxy(resources, scheme);
    const tunnel = await open({ proxy: `${scheme}://127.0.0.1:${proxy.port}` });
    await tunnel.server.kill();
    await tunnel.client.waitFor('the refusal', logLine(REFUSED, { reason: 'proxy_refused' }));
    const mark = tunnel.client.mark;
    await tunnel.restart('server');
    await tunnel.up(0, mark);
    await until('a visitor to be served', () => serves(tunnel));
  });

  test('a proxy that dies is waited for', async () => {
    const proxy = await startProxy(resources, scheme);
    const tunnel = await open({ proxy: `${scheme}://127.0.0.1:${proxy.port}` });
    await proxy.daemon.kill();
    await tunnel.client.waitFor('the attempt without it', logLine(REFUSED));
    await waitsBetween(tunnel);
    const mark = tunnel.client.mark;
    await startProxy(resources, scheme, { port: proxy.port });
    await tunnel.connected('web', mark);
    await until('a visitor to be served', () => serves(tunnel));
  });

  test.for(['tcp', 'tls'] as const)(
    'W27: a name that only the proxy knows is never asked for here, %s',
    async (transport, { skip }) => {
      const witness = makeWitness(resources);
      if (!canNameHosts() || witness === undefined) return skip('no libnss_wrapper, or no cc');
      const proxy = await startProxy(resources, scheme, { hosts: { 'tunnel.test': '127.0.0.1' } });
      const tunnel = await open({
        transport,
        proxy: `${scheme}://127.0.0.1:${proxy.port}`,
        tunnel: { remote: (port) => `tunnel.test:${port}`, clientEnv: witness.env },
      });
      await EchoVisitor.open(resources, tunnel.port('web'));
      await (await UdpVisitor.open(resources, tunnel.port('dns'))).warmUp();
      expect(witness.names().filter((name) => name.includes('tunnel.test'))).toEqual([]);
      expect(new Set(targetsOf(proxy))).toEqual(new Set([`tunnel.test:${tunnel.controlPort}`]));
    },
  );

  test('an IPv6 address goes without its brackets where they do not belong', async () => {
    const proxy = await startProxy(resources, scheme);
    const tunnel = await open({
      proxy: `${scheme}://127.0.0.1:${proxy.port}`,
      tunnel: { bindHost: '[::1]', remote: (port) => `[::1]:${port}` },
    });
    await EchoVisitor.open(resources, tunnel.port('web'));
    expect(targetsOf(proxy).every((target) => /^\[?::1\]?:/.test(target))).toBe(true);
  });
});

test.skipIf(!SCHEMES.includes('http'))(
  'a target that the proxy forbids: proxy_refused',
  async () => {
    const proxy = await startProxy(resources, 'http', { onlyPort: 1 });
    const tunnel = await open({ proxy: `http://127.0.0.1:${proxy.port}`, comesUp: false });
    const refused = logLine(REFUSED, { reason: 'proxy_refused' });
    expect((await tunnel.client.waitFor('the refusal', refused))['error']).toContain('403');
  },
);

test('W27: without a proxy, the watch over the resolver sees the name', async ({ skip }) => {
  const witness = makeWitness(resources);
  if (witness === undefined) return skip('no cc');
  const local = await startLocalTcp(resources);
  const tunnel = await Tunnel.open(resources, {
    server: 'warren',
    client: 'warren',
    services: { web: { local: local.port } },
    remote: (port) => `localhost:${port}`,
    clientEnv: witness.env,
  });
  await EchoVisitor.open(resources, tunnel.port('web'));
  expect(witness.names()).toContain('localhost');
});

async function serves(tunnel: Tunnel): Promise<boolean> {
  await EchoVisitor.open(resources, tunnel.port('web'));
  return true;
}

/** Between attempts it waits: the schedule is judged, not the clock. */
async function waitsBetween({ client }: Tunnel): Promise<void> {
  const waiting = 'waiting before the next attempt';
  await client.waitFor('a pause', logLine(waiting));
  for (const { delayMs } of logRecords(client, waiting)) expect(delayMs).toBeGreaterThan(300);
}
