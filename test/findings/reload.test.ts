/** wire-v1 section 6, changes and the end of a running server or client: W39, W40. */
import { afterEach, describe, expect, test } from 'vitest';
import { Client, type ServerOptions } from '../../ts/index.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor, echoes, visit } from '../helpers/program-visitor.ts';
import { openClient, TestServer, TOKEN } from '../helpers/rathole-roles.ts';

const resources = new Resources();
afterEach(() => resources.close());

function serverOptions(web: object): ServerOptions {
  return {
    bindAddr: '127.0.0.1:0',
    heartbeatIntervalSecs: 0,
    defaultToken: TOKEN,
    services: { web: { bindAddr: '127.0.0.1:0', ...web } },
  };
}

/** A server, a client of the library and a visitor that is being served. */
async function running() {
  const local = await startLocalTcp(resources);
  const server = await TestServer.open(resources);
  const client = new Client({
    remoteAddr: `127.0.0.1:${server.port}`,
    defaultToken: TOKEN,
    services: { web: { localAddr: `127.0.0.1:${local.port}` } },
  });
  resources.use(client);
  await client.start();
  const port = await server.visitorPort();
  const visitor = await EchoVisitor.open(resources, port);
  return { local, server, client, port, visitor };
}

describe('W39: a change', () => {
  test('of nodelay keeps the control channel and the pool of its service', async () => {
    const server = await TestServer.open(resources);
    const client = await server.client();
    const idle = await client.channel();
    await until('the pool', () => server.stats().poolReady === 1);
    await server.server.reload(serverOptions({ nodelay: false }));
    await server.log.waitFor('configuration applied');
    expect(server.log.all('applying the changed configuration')[0]?.fields).toEqual({
      plan: ['changed: services.web.nodelay unset -> false'],
    });
    expect(client.control.isOpen && idle.isOpen).toBe(true);
    expect(server.stats().poolReady).toBe(1);
  });

  test('of a public address keeps the control channel, the pool and running visitors', async () => {
    const { server, port, visitor } = await running();
    const poolIsFull = (): boolean => server.stats().poolReady === server.stats().poolTarget;
    await until('a full pool', poolIsFull);
    await server.server.reload(serverOptions({ bindAddr: '127.0.0.2:0' }));
    const address = await until('the new address', () => {
      const now = server.server.serviceAddress('web');
      return now?.host === '127.0.0.2' ? now : undefined;
    });
    expect(address.port).not.toBe(0);
    await until('the old address to be free', async () => !(await echoes(port)));
    await visitor.ping();
    // The visitors of the waiting above have each taken one, and each has been made up for.
    await until('a full pool again', poolIsFull);
    expect(server.stats()).toMatchObject({ poolStale: 0 });
    expect(server.log.all('client disconnected')).toEqual([]);
    await visitor.finish();
  });

  test('of a token makes its client come again, running visitors stay', async () => {
    const { server, visitor } = await running();
    await server.server.reload(serverOptions({ token: 'another' }));
    await server.log.waitFor('client disconnected', { reason: 'service_closed' });
    await server.log.waitFor('client refused', { reason: 'wrong_token', service: 'web' });
    await visitor.ping();
    await visitor.finish();
    const plan = JSON.stringify(server.log.entries);
    expect(plan).not.toContain('another');
  });

  test('of one service on the client touches no other', async () => {
    const { server, client, visitor, local } = await running();
    await client.reload({
      remoteAddr: `127.0.0.1:${server.port}`,
      defaultToken: TOKEN,
      services: {
        web: { localAddr: `127.0.0.1:${local.port}` },
        other: { localAddr: '127.0.0.1:9' },
      },
    });
    await server.log.waitFor('client refused', { reason: 'unknown_service' });
    expect(server.log.all('client disconnected')).toEqual([]);
    await visitor.ping();
  });

  test('of the local address is for visitors from now on', async () => {
    const { server, client, visitor, port } = await running();
    const next = await startLocalTcp(resources);
    await client.reload({
      remoteAddr: `127.0.0.1:${server.port}`,
      defaultToken: TOKEN,
      services: { web: { localAddr: `127.0.0.1:${next.port}` } },
    });
    expect(await echoes(port)).toBe(true);
    await EchoVisitor.open(resources, port);
    expect(next.sockets.size).toBe(1);
    await visitor.ping();
    expect(server.log.all('client disconnected')).toEqual([]);
  });
});

describe('W40: the end', () => {
  test('of a server waits for running visitors and takes no new ones', async () => {
    const { server, port, visitor } = await running();
    let isClosed = false;
    const close = server.server.close({ deadlineMs: 60_000 }).then(() => {
      isClosed = true;
    });
    await until('the address to be free', async () => {
      const socket = await visit(port).catch(() => undefined);
      socket?.destroy();
      return socket === undefined;
    });
    for (let i = 0; i < 5; i++) await visitor.ping();
    expect(isClosed).toBe(false);
    await visitor.finish();
    await close;
  });

  test('of a client waits for running visitors', async () => {
    const { client, visitor } = await running();
    let isClosed = false;
    const close = client.close({ deadlineMs: 60_000 }).then(() => {
      isClosed = true;
    });
    for (let i = 0; i < 5; i++) await visitor.ping();
    expect(isClosed).toBe(false);
    await visitor.finish();
    await close;
  });

  test.each(['server', 'client'] as const)(
    'of a %s cuts visitors at its deadline',
    async (role) => {
      const { server, client, visitor } = await running();
      const cut = new Promise((resolve) => visitor.socket.once('close', resolve));
      await (role === 'server' ? server.server : client).close({ deadlineMs: 50 });
      await cut;
    },
  );

  test('of a client during a session leaves no attempt behind', async () => {
    const { client, peer } = await openClient(resources, { local: 9 });
    const { control } = await peer.session(TOKEN);
    await peer.channel(control);
    await client.close({ deadlineMs: 0 });
    await control.end('the control channel to end');
    for (const wire of peer.all) await wire.end('every connection to end');
    expect(peer.all).toHaveLength(2);
  });
});
