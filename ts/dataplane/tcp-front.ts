/**
 * The public side of a tcp service: accepts visitors, pairs each with a data channel, relays.
 *
 * Pairing is put off to the end of the turn in which a visitor or channel came, so that a FIN that
 * the same turn brought for an idle channel is seen first, and a burst is paired in one go.
 */
import type net from 'node:net';
import type { EndReason } from '../engine/reason.ts';
import type { HostPort, SocketAddress } from '../engine/spec.ts';
import type { DataplaneContext } from './context.ts';
import type { ServiceCounters } from './counters.ts';
import type { FrontOptions, ServiceFront } from './front.ts';
import type { Link } from './link.ts';
import { boundAddress, listenTcp } from './listen.ts';
import { Pool } from './pool.ts';
import type { RunningRelay } from './relay.ts';
import { ServerUses, type SessionReuse } from './server-uses.ts';
import { TcpLink } from './tcp-link.ts';
import { WaitingVisitor } from './waiting-visitor.ts';

const VISITOR_KEEPALIVE_MS = 60_000;

interface VisitorFacts {
  readonly visitor: SocketAddress;
  readonly since: number;
}

export class TcpFront implements ServiceFront {
  readonly #context: DataplaneContext;
  readonly #options: FrontOptions;
  readonly #counters: ServiceCounters;
  readonly #pool: Pool;
  readonly #uses: ServerUses;
  readonly #waiting = new Set<WaitingVisitor<TcpLink>>();
  readonly #relays = new Set<RunningRelay>();
  #server: net.Server | undefined;
  #pairing: NodeJS.Immediate | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(context: DataplaneContext, options: FrontOptions) {
    this.#context = context;
    this.#options = options;
    this.#counters = options.counters;
    this.#pool = new Pool({
      limits: context.limits,
      counters: options.counters,
      request: options.request,
      expect: options.expect,
      ready: () => this.#schedulePairing(),
      failed: (reason) => this.#channelFailed(reason),
    });
    this.#uses = new ServerUses(context, this.#pool, (reason) => this.#channelFailed(reason));
  }

  get address(): SocketAddress | undefined {
    return this.#server === undefined ? undefined : boundAddress(this.#server);
  }

  get levels(): Pool {
    return this.#pool;
  }

  async bind(to: HostPort): Promise<void> {
    const server = await listenTcp(to, (address, error) =>
      this.#context.event({ type: 'accept_failed', address, error }),
    );
    server.on('connection', (socket) => {
      try {
        this.#accept(socket);
      } catch (error) {
        this.#context.fault('visitor accept', error);
        socket.destroy();
      }
    });
    this.#server = server;
  }

  unbind(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return Promise.resolve();
    return new Promise((resolve) => server.close(() => resolve()));
  }

  sessionStarted(): void {
    if (this.#options.reuse() !== undefined) this.#pool.reuse();
    this.#pool.refill(this.#waiting.size);
  }

  sessionEnded(): void {
    this.#pool.clear();
  }

  channel(link: Link): void {
    this.#pool.add(link);
  }

  endWaiting(reason: EndReason): void {
    for (const visitor of [...this.#waiting]) this.#refuse(visitor, reason);
  }

  async drained(): Promise<void> {
    if (this.#relays.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
    this.#uses.destroy();
  }

  destroy(reason: EndReason): void {
    clearImmediate(this.#pairing);
    this.#pairing = undefined;
    this.endWaiting(reason);
    for (const relay of [...this.#relays]) relay.destroy(reason);
  }

  #accept(socket: net.Socket): void {
    const link = TcpLink.accepted(this.#context.links, socket);
    const { visitorsPerService, visitorsWaiting } = this.#context.limits;
    this.#counters.visitorsTotal += 1;
    const open = this.#relays.size + this.#waiting.size;
    if (open >= visitorsPerService || this.#waiting.size >= visitorsWaiting) {
      link.abort();
      this.#visitorRefused(link.peer, Date.now(), 'visitor_limit');
      return;
    }
    const { descriptors } = this.#context;
    // Each of those that wait needs one more, for its channel.
    if (descriptors.isShort(link.descriptor + this.#waiting.size)) {
      link.abort();
      this.#visitorRefused(link.peer, Date.now(), 'descriptors', descriptors.text);
      return;
    }
    link.setNoDelay(true);
    link.setKeepAlive(VISITOR_KEEPALIVE_MS);
    const visitor = new WaitingVisitor(link, this.#context.limits, (who, reason) =>
      this.#refuse(who, reason),
    );
    if (this.#pool.ready > this.#waiting.size) {
      this.#counters.poolHits += 1;
    } else {
      this.#counters.poolMisses += 1;
      this.#pool.miss(this.#waiting.size + 1);
    }
    this.#waiting.add(visitor);
    this.#countVisitors();
    this.#schedulePairing();
  }

  #schedulePairing(): void {
    this.#pairing ??= setImmediate(() => {
      this.#pairing = undefined;
      try {
        this.#pair();
      } catch (error) {
        this.#context.fault('pairing', error);
      }
    });
  }

  #pair(): void {
    for (const visitor of this.#waiting) {
      const served = this.#serve(visitor);
      if (!served) break;
      this.#waiting.delete(visitor);
    }
    this.#countVisitors();
    for (const visitor of this.#waiting) visitor.wait();
    this.#pool.refill(this.#waiting.size);
  }

  /** False: no channel is ready. */
  #serve(visitor: WaitingVisitor<TcpLink>): boolean {
    const reuse = this.#options.reuse();
    const channel = reuse === undefined ? this.#takeChannel() : this.#useChannel(reuse, visitor);
    if (channel === undefined) return false;
    const stash = visitor.takeStash();
    const facts = { visitor: visitor.link.peer, since: visitor.since };
    const relay = this.#context.startRelay(visitor.link, channel, {
      counters: this.#counters,
      limits: this.#context.limits,
      nearBroken: 'visitor_reset',
      farBroken: 'channel_reset',
      unwritten: reuse === undefined ? [this.#options.start(), ...stash] : stash,
      alreadyIn: stash.reduce((sum, chunk) => sum + chunk.byteLength, 0),
      done: (ended) => this.#relayEnded(ended, facts),
    });
    this.#relays.add(relay);
    return true;
  }

  #takeChannel(): Link | undefined {
    const channel = this.#pool.take();
    const nodelay = this.#options.nodelay();
    if (nodelay !== undefined) channel?.setNoDelay(nodelay);
    return channel;
  }

  #useChannel(reuse: SessionReuse, { link }: WaitingVisitor<TcpLink>): Link | undefined {
    const addresses = () => ({ visitor: link.peer, reached: link.local });
    return this.#uses.begin(reuse, addresses, this.#options.nodelay());
  }

  #relayEnded(relay: RunningRelay, facts: VisitorFacts): void {
    this.#relays.delete(relay);
    this.#countVisitors();
    this.#visitorEnded(facts, relay.reason, relay.bytesIn, relay.bytesOut);
    if (this.#relays.size === 0) this.#onEmpty?.();
  }

  #refuse(visitor: WaitingVisitor<TcpLink>, reason: EndReason): void {
    if (!this.#waiting.delete(visitor)) return;
    this.#countVisitors();
    this.#pool.refill(this.#waiting.size);
    visitor.takeStash();
    visitor.link.abort();
    this.#visitorRefused(visitor.link.peer, visitor.since, reason);
  }

  #visitorRefused(visitor: SocketAddress, since: number, reason: EndReason, error?: string): void {
    this.#context.visitorRefused(this.#options.service, reason, error);
    this.#visitorEnded({ visitor, since }, reason, 0, 0);
  }

  #visitorEnded(facts: VisitorFacts, reason: EndReason, bytesIn: number, bytesOut: number): void {
    this.#counters.end(reason);
    const { visitor, since } = facts;
    const { service } = this.#options;
    const durationMs = Date.now() - since;
    const counts = { bytesIn, bytesOut, durationMs };
    this.#context.visitorEnd({ service, protocol: 'tcp', visitor, ...counts, reason });
  }

  #channelFailed(reason: EndReason): void {
    this.#counters.end(reason);
    this.#context.channelFailed(this.#options.service, reason, undefined);
  }

  #countVisitors(): void {
    this.#counters.visitorsWaiting = this.#waiting.size;
    this.#counters.visitorsOpen = this.#relays.size + this.#waiting.size;
  }
}
