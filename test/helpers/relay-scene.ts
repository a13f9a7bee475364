/** A visitor and a local service with nothing but a relay between them: no tunnel, no pool. */
import net from 'node:net';
import { afterEach, describe, it } from 'vitest';
import { DataplaneContext } from '../../ts/dataplane/context.ts';
import { ServiceCounters } from '../../ts/dataplane/counters.ts';
import { EventBatch } from '../../ts/dataplane/event-batch.ts';
import type { RelayOptions, RunningRelay } from '../../ts/dataplane/relay.ts';
import { type AddonBinding, RelayThread } from '../../ts/dataplane/relay-thread.ts';
import { TcpLink } from '../../ts/dataplane/tcp-link.ts';
import type { EngineEvent } from '../../ts/engine/events.ts';
import type { EndReason } from '../../ts/engine/reason.ts';
import { DEFAULT_LIMITS } from '../../ts/limits.ts';
import { ADDON, ADDON_PORTABLE } from './addon-binding.ts';
import { Peer } from './peer.ts';
import { until } from './until.ts';

/** An end of a relay: the link that is handed to it, and who is at its other end. */
export interface Outer {
  readonly link: TcpLink;
  readonly peer: Peer;
}

export interface RelayFacts {
  readonly relay: RunningRelay;
  readonly counters: ServiceCounters;
  /** The visitor, and the local service. */
  readonly near: Peer;
  readonly far: Peer;
  /** Resolves when the relay is done. */
  ended(): Promise<EndReason>;
}

export class RelayScene {
  readonly events: EngineEvent[] = [];
  readonly context: DataplaneContext;
  readonly thread: RelayThread;
  readonly #acceptor: Acceptor;
  readonly #peers: Peer[] = [];

  private constructor(binding: AddonBinding, acceptor: Acceptor) {
    const batch = new EventBatch((events) => this.events.push(...events));
    this.context = new DataplaneContext(DEFAULT_LIMITS, false, batch);
    this.thread = new RelayThread(binding, this.context);
    this.#acceptor = acceptor;
  }

  /** Gone after the test. */
  static async open(binding: AddonBinding): Promise<RelayScene> {
    const scene = new RelayScene(binding, await Acceptor.open());
    opened.add(scene);
    return scene;
  }

  /** A connection whose accepted end is a link. */
  async outer(options: { paused?: boolean } = {}): Promise<Outer> {
    const accepted = this.#acceptor.next();
    const peer = await Peer.connect(this.#acceptor.address, options);
    this.#peers.push(peer);
    const link = TcpLink.accepted(this.context.links, await accepted);
    return { link, peer };
  }

  /** A connection of somebody else's whose accepted end is a link. */
  async accepted(connect: (port: number) => void): Promise<TcpLink> {
    const accepted = this.#acceptor.next();
    connect(this.#acceptor.address.port);
    return TcpLink.accepted(this.context.links, await accepted);
  }

  /** Relays between two fresh connections. */
  async relay(
    options: Partial<RelayOptions> & { paused?: 'near' | 'far' } = {},
  ): Promise<RelayFacts> {
    const near = await this.outer({ paused: options.paused === 'near' });
    const far = await this.outer({ paused: options.paused === 'far' });
    return { ...this.start(near.link, far.link, options), near: near.peer, far: far.peer };
  }

  start(
    near: TcpLink,
    far: TcpLink,
    options: Partial<RelayOptions> = {},
  ): Omit<RelayFacts, 'near' | 'far'> {
    const counters = options.counters ?? new ServiceCounters();
    let reason: EndReason | undefined;
    const relay = this.thread.start(near, far, {
      counters,
      limits: DEFAULT_LIMITS,
      nearBroken: 'visitor_reset',
      farBroken: 'channel_reset',
      unwritten: [],
      alreadyIn: 0,
      done: (ended) => {
        reason = ended.reason;
      },
      ...options,
    });
    return { relay, counters, ended: () => until(() => reason, 'the end of the relay') };
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await this.thread.close();
    await this.context.links.destroyAll();
    await this.#acceptor.close();
  }
}

const opened = new Set<RelayScene>();

/** At the top of a describe whose tests open scenes. */
export function closesScenes(): void {
  afterEach(async () => {
    for (const scene of opened) await scene.close();
    opened.clear();
  });
}

/** What a build of the addon is made of. */
export interface Build {
  readonly binding: AddonBinding;
  /** epoll and splice. */
  readonly isFull: boolean;
  open(): Promise<RelayScene>;
}

/** Tests over the addon as it is here, and as it is without epoll and splice. */
export function describeBuilds(define: (build: Build) => void): void {
  const isLinux = process.platform === 'linux';
  const builds = [
    ['the addon', ADDON, isLinux],
    ['the addon without epoll and splice', ADDON_PORTABLE, false],
  ] as const;
  for (const [name, binding, isFull] of builds) {
    if (binding === undefined) {
      it.skip(`${name}: it is not built`);
      continue;
    }
    describe(name, () => {
      closesScenes();
      define({
        binding,
        isFull,
        open: () => RelayScene.open(binding),
      });
    });
  }
}

/** Hands out what it accepts, unread. */
class Acceptor {
  readonly #server: net.Server;

  private constructor(server: net.Server) {
    this.#server = server;
  }

  static async open(): Promise<Acceptor> {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Acceptor(server);
  }

  get address(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as net.AddressInfo).port };
  }

  next(): Promise<net.Socket> {
    return new Promise((resolve) => this.#server.once('connection', resolve));
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
