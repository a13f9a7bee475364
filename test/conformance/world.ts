/** What one test has open, and how all of it goes away again. */
import { afterEach } from 'vitest';
import type { ChannelMode } from '../../ts/config/config.ts';
import type { EngineOptions } from '../../ts/engine/engine.ts';
import type { ServiceType } from '../../ts/engine/spec.ts';
import type { Limits } from '../../ts/limits.ts';
import { UdpPeer } from '../helpers/datagrams.ts';
import { type Address, Peer } from '../helpers/peer.ts';
import { PeerListener } from '../helpers/peer-listener.ts';
import { type PeerTransport, peerTransport } from '../helpers/peer-transport.ts';
import type { TransportName } from '../helpers/transport-cases.ts';
import { type ProxyOptions, TunnelProxy } from '../helpers/tunnel-proxy.ts';
import { until } from '../helpers/until.ts';
import {
  type ClientServiceOptions,
  ClientSide,
  type Exposed,
  publicAddress,
  type Rig,
  type ServerServiceOptions,
  ServerSide,
  statsOf,
} from './control-plane.ts';
import type { Environment } from './environment.ts';
import { ScriptedClient, ScriptedServer } from './scripted.ts';

export interface WorldOptions {
  readonly limits?: Partial<Limits>;
  readonly accessLog?: boolean;
}

export interface TunnelOptions extends WorldOptions {
  readonly type?: ServiceType;
  readonly local?: Address;
  readonly bind?: Address;
  /** What is between the two ends; gives the address that the client dials. */
  readonly via?: (server: Address) => Promise<Address>;
}

/** A whole tunnel: two engines, one service, a local service whose connections the test takes. */
export interface Tunnel {
  readonly server: ServerSide;
  readonly exposed: Exposed;
  readonly client: ClientSide;
  readonly local: PeerListener;
  /** A visitor, connected. */
  visit(options?: { paused?: boolean }): Promise<Peer>;
  /** A visitor and the connection that the local service got for it. */
  pair(): Promise<{ visitor: Peer; local: Peer }>;
}

/** An engine's server with a scripted client at the other end. */
export interface ServerScene {
  readonly server: ServerSide;
  readonly exposed: Exposed;
  readonly client: ScriptedClient;
  /** Where visitors come in. */
  readonly address: Address;
  visit(options?: { paused?: boolean }): Promise<Peer>;
}

/** An engine's client with a scripted server at the other end. */
export interface ClientScene {
  readonly server: ScriptedServer;
  readonly client: ClientSide;
}

export class World {
  readonly #environment: Environment;
  readonly #undo: (() => unknown)[] = [];
  readonly transportName: TransportName;
  readonly #channels: ChannelMode;
  #transport: PeerTransport | undefined;
  #v1: World | undefined;

  constructor(
    environment: Environment,
    transport: TransportName = 'tcp',
    channels: ChannelMode = 'v1',
  ) {
    this.#environment = environment;
    this.transportName = transport;
    this.#channels = channels;
    afterEach(() => this.#clean());
  }

  /** The same where nobody has agreed to reuse; to be asked for before a test runs. */
  get v1(): World {
    this.#v1 ??= new World(this.#environment, this.transportName);
    return this.#v1;
  }

  /** Data channels serve visitor after visitor. */
  get isReuse(): boolean {
    return this.#channels === 'reuse';
  }

  get transport(): PeerTransport {
    this.#transport ??= peerTransport(this.transportName);
    return this.#transport;
  }

  /** Undone after the test, last first. */
  defer<T>(thing: T, undo: (thing: T) => unknown): T {
    this.#undo.push(() => undo(thing));
    return thing;
  }

  async engine(options: WorldOptions = {}, role: 'server' | 'client' = 'server'): Promise<Rig> {
    const events: Rig['events'] = [];
    const all: EngineOptions = { ...options, events: (batch) => events.push(...batch) };
    const engine = await this.#environment.setup(all, role);
    this.defer(engine, (it) => this.#environment.teardown(it));
    return { engine, events };
  }

  async server(options: WorldOptions = {}): Promise<ServerSide> {
    const rig = await this.engine(options);
    return new ServerSide(rig, this.transport.server, this.#channels).listen();
  }

  clientSide(rig: Rig, options: ClientServiceOptions): ClientSide {
    return new ClientSide(rig, options, this.transport.client, this.#channels);
  }

  async listener(options: Parameters<typeof PeerListener.open>[0] = {}): Promise<PeerListener> {
    return this.defer(await PeerListener.open(options), (it) => it.close());
  }

  /** Sends back what comes, with back-pressure and half-close. */
  echo(): Promise<PeerListener> {
    return this.listener({ serve: ({ socket }) => void socket.pipe(socket) });
  }

  async connect(to: Address, options: { paused?: boolean } = {}): Promise<Peer> {
    return this.defer(await Peer.connect(to, options), (peer) => peer.destroy());
  }

  /** A tunnel connection: the transport's handshake is done. */
  async connectTunnel(to: Address): Promise<Peer> {
    const { name, connect } = this.transport;
    if (name === 'tcp') return this.connect(to);
    return this.defer(await Peer.connectCarried(to, connect), (peer) => peer.destroy());
  }

  /** A connection that may be refused. */
  attempt(to: Address): Peer {
    return this.defer(Peer.dial(to), (peer) => peer.destroy());
  }

  /** Between the ends of a tunnel, by `via`. */
  async tunnelProxy(to: Address, options?: ProxyOptions): Promise<TunnelProxy> {
    return this.defer(await TunnelProxy.open(to, options), (proxy) => proxy.close());
  }

  async udp(options: { host?: string; port?: number } = {}): Promise<UdpPeer> {
    return this.defer(await UdpPeer.open(options), (peer) => peer.close());
  }

  async udpEcho(options: { host?: string; port?: number } = {}): Promise<UdpPeer> {
    return this.defer(await UdpPeer.echo(options), (peer) => peer.close());
  }

  async scriptedClient(
    server: ServerSide,
    options?: Parameters<typeof ScriptedClient.connect>[1],
  ): Promise<ScriptedClient> {
    const { address } = server;
    const client = await ScriptedClient.connect(() => this.connectTunnel(address), {
      channels: this.#channels,
      ...options,
    });
    return this.defer(client, ({ control }) => control.destroy());
  }

  async channels(client: ScriptedClient, count: number): Promise<Peer[]> {
    return this.defer(await client.channels(count), (peers) => {
      for (const peer of peers) {
        peer.destroy();
        peer.raw.destroy();
      }
    });
  }

  /** A data channel whose words are the test's to read and write. */
  async rawChannel(client: ScriptedClient): Promise<Peer> {
    return this.defer(await client.rawChannel(), (peer) => peer.destroy());
  }

  async channel(client: ScriptedClient): Promise<Peer> {
    const [peer] = await this.channels(client, 1);
    if (peer === undefined) throw new Error('no channel');
    return peer;
  }

  async scriptedServer(): Promise<ScriptedServer> {
    const { name, accept } = this.transport;
    const carry = name === 'tcp' ? undefined : accept;
    const server = await ScriptedServer.open(carry, 0, this.#channels);
    return this.defer(server, (it) => it.close());
  }

  async serverScene(
    options: WorldOptions & { readonly service?: ServerServiceOptions } = {},
  ): Promise<ServerScene> {
    const { service = {}, ...worldOptions } = options;
    const server = await this.server(worldOptions);
    const exposed = server.expose(service);
    const client = await this.scriptedClient(server, { name: exposed.name });
    const address = await publicAddress(exposed);
    return { server, exposed, client, address, visit: (how) => this.connect(address, how) };
  }

  async clientScene(
    options: WorldOptions & {
      readonly local: Address;
      readonly type?: ServiceType;
      readonly silenceTimeoutMs?: number;
      readonly addresses?: boolean;
    },
  ): Promise<ClientScene> {
    const { local, type = 'tcp', silenceTimeoutMs = 0, addresses, ...worldOptions } = options;
    const server = await this.scriptedServer();
    const rig = await this.engine(worldOptions, 'client');
    const isTold = addresses === undefined ? {} : { addresses };
    const service = { type, local, silenceTimeoutMs, ...isTold };
    const client = this.clientSide(rig, service);
    await client.connect(server.address);
    await until(() => server.controls.length > 0, 'the control channel');
    return { server, client };
  }

  async tunnel(options: TunnelOptions = {}): Promise<Tunnel> {
    const { type = 'tcp', bind, via, ...worldOptions } = options;
    const local = await this.listener();
    const server = await this.server(worldOptions);
    const exposed = server.expose({ type, ...(bind === undefined ? {} : { bind }) });
    const rig = await this.engine(worldOptions, 'client');
    const at = options.local ?? local.address;
    const client = this.clientSide(rig, { type, local: at });
    await client.connect((await via?.(server.address)) ?? server.address);
    const visit: Tunnel['visit'] = async (how) => this.connect(await publicAddress(exposed), how);
    const pair: Tunnel['pair'] = async () => {
      const visitor = await visit();
      return { visitor, local: await local.next('the local connection') };
    };
    return { server, exposed, client, local, visit, pair };
  }

  async #clean(): Promise<void> {
    const errors: unknown[] = [];
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** Waits until the pool has so many idle channels. */
export function untilReady(rig: Rig, count: number): Promise<unknown> {
  return until(() => statsOf(rig.engine).poolReady >= count, `${count} idle channels in the pool`);
}
