/**
 * The public side of a udp service: one socket for all visitors, frames on a few data channels. A
 * visitor stays on one channel while that lives. Only visitors that have sent something lately are
 * sent anything, so that nobody can use this socket as a reflector (wire-v1 W24); no single
 * datagram or channel ends the service (W30).
 */
import type dgram from 'node:dgram';
import type { EndReason } from '../engine/reason.ts';
import type { HostPort, SocketAddress } from '../engine/spec.ts';
import { UDP_PAYLOAD_MAX, type UdpFrame } from '../protocol/udp-frame.ts';
import type { DataplaneContext } from './context.ts';
import type { ServiceCounters } from './counters.ts';
import type { FrontOptions, ServiceFront } from './front.ts';
import type { Link } from './link.ts';
import { bindError } from './listen.ts';
import { Pool } from './pool.ts';
import { resolveFirst } from './resolve.ts';
import { UdpChannel } from './udp-channel.ts';
import { bindUdp, openUdpSocket } from './udp-socket.ts';
import { type UdpVisitor, UdpVisitors } from './udp-visitors.ts';

/**
 * Pauses before a channel that died is replaced; `quick`: one that lived shorter died at its start.
 */
const REOPEN = { quick: 1_000, firstMs: 50, maxMs: 5_000 } as const;

/** Ends that are our own doing: the channel is not to be replaced. */
const OWN_ENDS: ReadonlySet<EndReason> = new Set(['session_end', 'drain', 'destroyed']);
/** What a waiting datagram costs beside its payload. */
const PENDING_OVERHEAD_BYTES = 64;

export class UdpFront implements ServiceFront {
  readonly #context: DataplaneContext;
  readonly #options: FrontOptions;
  readonly #counters: ServiceCounters;
  readonly #pool: Pool;
  readonly #channels: UdpChannel[] = [];
  readonly #visitors: UdpVisitors;
  #pending: { key: string; payload: Buffer }[] = [];
  #pendingBytes = 0;
  #socket: dgram.Socket | undefined;
  #reopen: NodeJS.Timeout | undefined;
  #reopenMs: number = REOPEN.firstMs;

  constructor(context: DataplaneContext, options: FrontOptions) {
    this.#context = context;
    this.#options = options;
    this.#counters = options.counters;
    const { limits } = context;
    this.#visitors = new UdpVisitors({
      max: limits.udpSessions,
      idleMs: limits.udpIdleMs,
      unheardMs: limits.udpUnheardMs,
      joined: () => {
        this.#counters.visitorsTotal += 1;
        this.#counters.visitorsOpen = this.#visitors.size;
      },
      ended: (visitor, reason) => this.#visitorEnded(visitor, reason),
    });
    this.#pool = new Pool({
      // Channels are put to use as they come, so none is kept idle.
      limits: { ...limits, poolFloor: 0 },
      counters: options.counters,
      request: options.request,
      expect: options.expect,
      ready: () => this.#start(),
      failed: (reason) => this.#channelFailed(reason),
    });
  }

  get address(): SocketAddress | undefined {
    if (this.#socket === undefined) return undefined;
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  get levels(): { ready: number; requested: number; target: number } {
    return {
      ready: this.#channels.length,
      requested: this.#pool.requested,
      target: this.#context.limits.udpChannels,
    };
  }

  async bind(to: HostPort): Promise<void> {
    const host = await resolveFirst(to.host, false).catch((error: unknown) => {
      throw bindError(to, error);
    });
    const socket = openUdpSocket(host);
    await bindUdp(socket, host, to.port).catch((error: unknown) => {
      socket.close();
      throw bindError(to, error);
    });
    socket.on('message', (payload, from) => this.#onDatagram(payload, from));
    // A send that failed must not end the service; the datagram is lost as on any network (W30).
    socket.on('error', () => {
      this.#counters.datagramsDropped += 1;
    });
    this.#socket = socket;
  }

  unbind(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return Promise.resolve();
    return new Promise((resolve) => socket.close(() => resolve()));
  }

  sessionStarted(): void {
    this.#refill();
  }

  sessionEnded(): void {
    clearTimeout(this.#reopen);
    this.#reopen = undefined;
    this.#pool.clear();
    for (const channel of [...this.#channels]) channel.destroy('session_end');
  }

  channel(link: Link): void {
    // More than were asked for: each would be put to use, so they end here (wire-v1 W3, W34).
    if (this.#channels.length >= this.#context.limits.udpChannels) {
      this.#channelFailed('channel_limit');
      link.destroy();
      return;
    }
    this.#pool.add(link);
  }

  endWaiting(reason: EndReason): void {
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#visitors.end(reason);
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  destroy(reason: EndReason): void {
    this.#visitors.end(reason);
    for (const channel of [...this.#channels]) channel.destroy(reason);
  }

  #refill(): void {
    this.#pool.refill(Math.max(0, this.#context.limits.udpChannels - this.#channels.length));
  }

  /** Puts the channel that has just come to use. */
  #start(): void {
    const link = this.#pool.take();
    if (link === undefined) return;
    const nodelay = this.#options.nodelay();
    if (nodelay !== undefined) link.setNoDelay(nodelay);
    const startedAt = Date.now();
    const channel: UdpChannel = new UdpChannel(link, {
      backlogBytes: this.#context.limits.udpBacklogBytes,
      onFrame: (frame) => this.#onFrame(frame),
      onClosed: (reason) => this.#onChannelClosed(channel, reason, Date.now() - startedAt),
    });
    this.#channels.push(channel);
    channel.sendRaw(this.#options.start());
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const { key, payload } of pending) {
      const visitor = this.#visitors.ofKey(key);
      if (visitor === undefined) this.#counters.datagramsDropped += 1;
      else this.#toChannel(visitor, payload);
    }
    this.#refill();
  }

  #onDatagram(payload: Buffer, from: dgram.RemoteInfo): void {
    // Port 0 is legal for a sender, and nobody can answer it.
    if (from.port === 0) {
      this.#counters.datagramsDropped += 1;
      return;
    }
    try {
      this.#toChannel(this.#visitors.ofSender(from.address, from.port), payload);
    } catch (error) {
      this.#context.fault('visitor datagram', error);
    }
  }

  #toChannel(visitor: UdpVisitor, payload: Buffer): void {
    const channel = visitor.channel ?? this.#pick(visitor.key);
    if (channel === undefined) {
      this.#keep(visitor.key, payload);
      return;
    }
    visitor.channel = channel;
    if (channel.send(visitor.prefix, payload)) {
      visitor.bytesIn += payload.length;
      this.#counters.bytesIn += payload.length;
    } else {
      this.#counters.datagramsDropped += 1;
    }
  }

  /** Spreads visitors by FNV-1a of their key. */
  #pick(key: string): UdpChannel | undefined {
    if (this.#channels.length <= 1) return this.#channels[0];
    let hash = 0x811c9dc5;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    return this.#channels[(hash >>> 0) % this.#channels.length];
  }

  #keep(key: string, payload: Buffer): void {
    const cost = payload.length + PENDING_OVERHEAD_BYTES;
    if (this.#pendingBytes + cost > this.#context.limits.udpPendingBytes) {
      this.#counters.datagramsDropped += 1;
      return;
    }
    this.#pending.push({ key, payload });
    this.#pendingBytes += cost;
  }

  #onFrame({ key, payload }: UdpFrame): void {
    const visitor = this.#visitors.ofKey(key);
    if (visitor === undefined || payload.length > UDP_PAYLOAD_MAX) {
      this.#counters.datagramsDropped += 1;
      return;
    }
    const socket = this.#socket;
    // A tunnel that is faster than the way to the visitors would queue without a bound.
    const { udpBacklogBytes } = this.#context.limits;
    if (socket === undefined || socket.getSendQueueSize() > udpBacklogBytes) {
      this.#counters.datagramsDropped += 1;
      return;
    }
    visitor.bytesOut += payload.length;
    socket.send(payload, visitor.address.port, visitor.address.host, this.#onSent);
  }

  readonly #onSent = (error: Error | null, bytes: number): void => {
    if (error === null) this.#counters.bytesOut += bytes;
    else this.#counters.datagramsDropped += 1;
  };

  #onChannelClosed(channel: UdpChannel, reason: EndReason, livedMs: number): void {
    const at = this.#channels.indexOf(channel);
    if (at >= 0) this.#channels.splice(at, 1);
    this.#visitors.leave(channel);
    if (OWN_ENDS.has(reason)) return;
    this.#channelFailed(reason);
    // A client that drops channels as they start (another service type) is asked more and more
    // slowly.
    const { quick, firstMs, maxMs } = REOPEN;
    this.#reopenMs = livedMs > quick ? firstMs : Math.min(this.#reopenMs * 2, maxMs);
    this.#reopen ??= setTimeout(() => {
      this.#reopen = undefined;
      this.#refill();
    }, this.#reopenMs);
  }

  #visitorEnded(visitor: UdpVisitor, reason: EndReason): void {
    this.#counters.visitorsOpen = this.#visitors.size;
    this.#counters.end(reason);
    const { address, bytesIn, bytesOut, since } = visitor;
    const { service } = this.#options;
    const counts = { bytesIn, bytesOut, durationMs: Date.now() - since };
    this.#context.visitorEnd({ service, protocol: 'udp', visitor: address, ...counts, reason });
  }

  #channelFailed(reason: EndReason): void {
    this.#counters.end(reason);
    this.#context.channelFailed(this.#options.service, reason, undefined);
  }
}
