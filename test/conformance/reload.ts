/** Server and Client on the engine: reloads and restarts while visitors are being served. */
import { describe, expect, it } from 'vitest';
import { Client } from '../../ts/client/client.ts';
import type { ClientOptions, ServerOptions } from '../../ts/config/options.ts';
import { Server } from '../../ts/server/server.ts';
import type { Address, Peer } from '../helpers/peer.ts';
import type { PeerListener } from '../helpers/peer-listener.ts';
import { freePort } from '../helpers/process-ports.ts';
import { until } from '../helpers/until.ts';
import type { World } from './world.ts';

const TOKEN = 'reload';

export function reload(world: World): void {
  describe('reload and restart under traffic', () => {
    it('W39: a server reload that adds and removes services touches no other', async () => {
      const { server, client, serverOptions, clientOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const before = server.serviceAddress('one');
      const two = { bindAddr: '127.0.0.1:0' };
      for (let round = 0; round < 5; round++) {
        await server.reload({ ...serverOptions, services: { ...serverOptions.services, two } });
        await client.reload({
          ...clientOptions,
          services: { ...clientOptions.services, two: { localAddr: text(local.address) } },
        });
        await until(() => server.serviceAddress('two'), 'the new service');
        await traffic.more();
        await client.reload(clientOptions);
        await server.reload(serverOptions);
        expect(server.serviceAddress('two')).toBeUndefined();
        await traffic.more();
      }
      expect(server.serviceAddress('one')).toEqual(before);
      await traffic.finish();
    });

    it('W39: visitors of a service that is removed finish', async () => {
      const { server, serverOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      await server.reload({ ...serverOptions, services: {} });
      expect(server.serviceAddress('one')).toBeUndefined();
      await traffic.more();
      await traffic.finish();
    });

    it('W39: a service moves to another address under its visitors', async () => {
      const { server, serverOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const port = await freePort();
      const services = { one: { bindAddr: `127.0.0.1:${port}` } };
      await server.reload({ ...serverOptions, services });
      await until(() => server.serviceAddress('one')?.port === port, 'the new address');
      await traffic.more();
      const second = new Traffic(await visit(), await local.next());
      await second.finish();
      await traffic.finish();
    });

    it('W39: a changed token ends the session, not the visitors', async () => {
      const { server, client, serverOptions, clientOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      await server.reload({ ...serverOptions, defaultToken: 'other' });
      await until(() => !client.isConnected('one'), 'the end of the session');
      await traffic.more();
      await client.reload({ ...clientOptions, defaultToken: 'other' });
      await until(() => client.isConnected('one'), 'a new session');
      await new Traffic(await visit(), await local.next()).finish();
      await traffic.finish();
    });

    it('W39: the tunnel listener moves, clients follow by their own reload', async () => {
      const { server, client, serverOptions, clientOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const port = await freePort();
      await server.reload({ ...serverOptions, bindAddr: `127.0.0.1:${port}` });
      expect(server.address?.port).toBe(port);
      await traffic.more();
      await client.reload({ ...clientOptions, remoteAddr: `127.0.0.1:${port}` });
      await until(() => client.isConnected('one') && server.serviceAddress('one'), 'a session');
      await new Traffic(await visit(), await local.next()).finish();
      await traffic.finish();
    });

    it('W39: a changed heartbeat ends no session', async () => {
      const { server, client, serverOptions, clientOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const before = server.serviceAddress('one');
      await server.reload({ ...serverOptions, heartbeatIntervalSecs: 1 });
      await client.reload({ ...clientOptions, heartbeatTimeoutSecs: 5 });
      await traffic.more();
      expect(client.isConnected('one')).toBe(true);
      expect(server.serviceAddress('one')).toEqual(before);
      await traffic.finish();
    });

    it('W39: a changed local address counts for visitors from now on', async () => {
      const { client, clientOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const next = await world.listener();
      const services = { one: { localAddr: text(next.address) } };
      await client.reload({ ...clientOptions, services });
      await new Traffic(await visit(), await next.next()).finish();
      await traffic.finish();
    });

    it('a client that restarts takes over while the old one lets its visitors finish', async () => {
      const { client, clientOptions, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const closing = client.close({ deadlineMs: 60_000 });
      await traffic.more();
      const next = await startClient(world, clientOptions);
      await until(() => next.isConnected('one'), 'the new client');
      await new Traffic(await visit(), await local.next()).finish();
      await traffic.finish();
      await closing;
    });

    it('a server that restarts resets its visitors and gets its client back', async () => {
      const { server, client, serverOptions, visit, local } = await scene(world);
      const visitor = await visit();
      await local.next();
      const bindAddr = text(server.address ?? { host: '', port: 0 });
      await server.close({ deadlineMs: 0 });
      await visitor.gone();
      expect(visitor.wasReset).toBe(true);
      const next = await startServer(world, { ...serverOptions, bindAddr });
      const address = await until(() => next.serviceAddress('one'), 'the client is back');
      await until(() => client.isConnected('one'), 'connected');
      await new Traffic(await world.connect(address), await local.next()).finish();
    });

    it('W40: a server that closes lets its visitors finish', async () => {
      const { server, visit, local } = await scene(world);
      const traffic = new Traffic(await visit(), await local.next());
      const closing = server.close({ deadlineMs: 60_000 });
      await traffic.more();
      await traffic.finish();
      await closing;
      expect(() => server.stats()).toThrow(expect.objectContaining({ code: 'WARREN_E_STATE' }));
    });
  });
}

/** A visitor that keeps speaking with its local service; every byte is checked. */
class Traffic {
  readonly #visitor: Peer;
  readonly #local: Peer;
  #round = 0;

  constructor(visitor: Peer, local: Peer) {
    this.#visitor = visitor;
    this.#local = local;
  }

  async more(): Promise<void> {
    const question = Buffer.alloc(50_000, `question ${this.#round++} `);
    void this.#visitor.write(question);
    expect((await this.#local.read(question.length)).equals(question)).toBe(true);
    void this.#local.write(question);
    expect((await this.#visitor.read(question.length)).equals(question)).toBe(true);
  }

  async finish(): Promise<void> {
    await this.more();
    await this.#visitor.end();
    await this.#local.fin();
    await this.#local.end();
    await this.#visitor.fin();
  }
}

interface Scene {
  readonly server: Server;
  readonly client: Client;
  readonly serverOptions: ServerOptions;
  readonly clientOptions: ClientOptions;
  readonly local: PeerListener;
  visit(): Promise<Peer>;
}

async function scene(world: World): Promise<Scene> {
  const local = await world.listener();
  const serverOptions: ServerOptions = {
    bindAddr: '127.0.0.1:0',
    defaultToken: TOKEN,
    channels: world.isReuse ? 'reuse' : 'v1',
    services: { one: { bindAddr: `127.0.0.1:${await freePort()}` } },
  };
  const server = await startServer(world, serverOptions);
  const clientOptions: ClientOptions = {
    remoteAddr: text(server.address ?? { host: '', port: 0 }),
    defaultToken: TOKEN,
    channels: world.isReuse ? 'reuse' : 'v1',
    services: { one: { localAddr: text(local.address) } },
  };
  const client = await startClient(world, clientOptions);
  const visit = async (): Promise<Peer> =>
    world.connect(await until(() => server.serviceAddress('one'), 'the service is bound'));
  return { server, client, serverOptions, clientOptions, local, visit };
}

async function startServer(world: World, options: ServerOptions): Promise<Server> {
  const { engine } = await world.engine();
  const server = new Server(options, { engine });
  world.defer(server, (it) => it.destroy());
  await server.start();
  return server;
}

async function startClient(world: World, options: ClientOptions): Promise<Client> {
  const { engine } = await world.engine();
  const client = new Client(options, { engine });
  world.defer(client, (it) => it.destroy());
  await client.start();
  return client;
}

function text({ host, port }: Address): string {
  return `${host}:${port}`;
}
