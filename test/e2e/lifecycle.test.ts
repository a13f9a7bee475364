/** How daemons end and what they do without a free address: both roles, as real processes. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { logLine, logRecords, startWarren } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { listen, startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, echoes, UdpVisitor, visit } from '../helpers/program-visitor.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const STOPPING = 'stopping, visitors may finish';
const resources = new Resources();
afterEach(() => resources.close());

async function open(drainSeconds: string): Promise<{ tunnel: Tunnel; visitor: EchoVisitor }> {
  const local = await startLocalTcp(resources);
  const tunnel = await Tunnel.open(resources, {
    server: 'warren',
    client: 'warren',
    services: { web: { local: local.port } },
    flags: ['--drain-timeout', drainSeconds],
  });
  return { tunnel, visitor: await EchoVisitor.open(resources, tunnel.port('web')) };
}

describe.each(['server', 'client'] as const)('a %s', (role) => {
  test('lets a running visitor finish at SIGTERM, takes no new one, ends with 0', async () => {
    const { tunnel, visitor } = await open('60');
    const daemon = tunnel[role];
    daemon.signal('SIGTERM');
    const stopping = await daemon.waitFor('the drain', logLine(STOPPING));
    expect(stopping).toMatchObject({ signal: 'SIGTERM', visitors: 1, drainMs: 60_000 });
    // The control channel goes first, and the public address with it.
    await until('the address to close', async () => {
      const socket = await visit(tunnel.port('web')).catch(() => undefined);
      socket?.destroy();
      return socket === undefined;
    });
    for (let i = 0; i < 10; i++) await visitor.ping();
    expect(daemon.running).toBe(true);
    await visitor.finish();
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(logRecords(daemon, 'warren stopped')).toHaveLength(1);
  });

  test('cuts visitors that do not finish at the deadline, ends with 0', async () => {
    const { tunnel, visitor } = await open('0.2');
    const cut = new Promise((resolve) => visitor.socket.once('close', resolve));
    tunnel[role].signal('SIGINT');
    await cut;
    expect(await tunnel[role].ended).toEqual({ code: 0, signal: null });
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once at a second signal, %s, with %i', async (signal, code) => {
    const { tunnel } = await open('60');
    const daemon = tunnel[role];
    daemon.signal('SIGTERM');
    await daemon.waitFor('the drain', logLine(STOPPING));
    daemon.signal(signal);
    expect(await daemon.ended).toEqual({ code, signal: null });
  });

  test('ends at once at SIGTERM when nobody visits', async () => {
    const { tunnel, visitor } = await open('60');
    await visitor.finish();
    tunnel[role].signal('SIGTERM');
    expect(await tunnel[role].ended).toEqual({ code: 0, signal: null });
  });
});

function configFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'warren-lifecycle-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'config.toml');
  writeFileSync(file, text);
  return file;
}

test('a server whose own address is taken says so and ends with 3', async () => {
  const taken = await listen(resources, () => undefined);
  const file = configFile(`[server]\nbind_addr = "127.0.0.1:${taken.port}"\n`);
  const server = startWarren(resources, 'server', file);
  expect(await server.ended).toEqual({ code: 3, signal: null });
  expect(server.lines.join('\n')).toContain(`127.0.0.1:${taken.port}`);
  expect(server.lines.join('\n')).toContain('EADDRINUSE');
});

test('a client whose server is not there waits for it', async () => {
  const local = await startLocalTcp(resources);
  const tunnel = await Tunnel.open(resources, {
    server: 'warren',
    client: 'warren',
    services: { web: { local: local.port } },
  });
  await tunnel.server.stop();
  const mark = tunnel.client.mark;
  const message = 'cannot connect to the server, will retry';
  await tunnel.client.waitFor('the retry', logLine(message, { level: 'warn' }), mark);
  await tunnel.restart('server');
  await until('the service', () => echoes(tunnel.port('web')));
});

describe('a service whose address is taken', () => {
  const warning = logLine('service cannot bind, will retry', { service: 'web', level: 'warn' });

  test('tcp: is told with a hint, tried again and bound when it is free', async () => {
    const local = await startLocalTcp(resources);
    const port = await freePort();
    const occupier = await listen(resources, () => undefined, port);
    const tunnel = await Tunnel.open(resources, {
      server: 'warren',
      client: 'warren',
      services: { web: { local: local.port, port }, other: { local: local.port } },
      awaited: ['other'],
    });
    const told = await tunnel.server.waitFor('the warning', warning);
    expect(told).toMatchObject({ address: `127.0.0.1:${port}`, attempt: 1 });
    expect(String(told['error'])).toContain('EADDRINUSE');
    expect(String(told['hint'])).toContain('another program listens there');
    expect(await echoes(tunnel.port('other'))).toBe(true);
    occupier.server.close();
    await tunnel.bound('web');
    expect(await echoes(port)).toBe(true);
  });

  test('udp: the same', async () => {
    const local = await startLocalUdp(resources);
    const port = await freePort();
    const occupier = dgram.createSocket('udp4');
    occupier.bind(port, '127.0.0.1');
    await once(occupier, 'listening');
    const tunnel = await Tunnel.open(resources, {
      server: 'warren',
      client: 'warren',
      services: { web: { type: 'udp', local: local.port, port } },
      awaited: [],
    });
    await tunnel.server.waitFor('the warning', warning);
    occupier.close();
    await tunnel.bound('web');
    await (await UdpVisitor.open(resources, port)).warmUp();
  });
});
