/** Carries started udp channels: each has its own table of local sockets. */
import type { EndReason } from '../engine/reason.ts';
import { errorText } from '../errors.ts';
import { addressOfKey } from '../protocol/udp-frame.ts';
import type { Link } from './link.ts';
import type { LocalCarrier, LocalCarrierOptions } from './local-carrier.ts';
import { resolveFirst } from './resolve.ts';
import { UdpChannel } from './udp-channel.ts';
import { type LocalSession, UdpLocals } from './udp-locals.ts';

export class UdpCarrier implements LocalCarrier {
  readonly #options: LocalCarrierOptions;
  readonly #channels = new Map<UdpChannel, UdpLocals>();

  constructor(options: LocalCarrierOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#channels.size;
  }

  carry(link: Link, rest: Uint8Array): void {
    const { context, counters } = this.#options;
    const { nodelay } = this.#options.spec();
    if (nodelay !== undefined) link.setNoDelay(nodelay);
    const locals = new UdpLocals({
      max: context.limits.udpSessions,
      idleMs: context.limits.udpIdleMs,
      backlogBytes: context.limits.udpBacklogBytes,
      hasRoom: () =>
        this.#sessions < context.limits.udpSessions &&
        context.udpSockets < context.descriptors.udpSockets,
      resolve: async () => {
        const { local, preferIpv6 } = this.#options.spec();
        return { host: await resolveFirst(local.host, preferIpv6), port: local.port };
      },
      toVisitor: (prefix, payload) => channel.send(prefix, payload),
      dropped: () => {
        counters.datagramsDropped += 1;
      },
      opened: () => {
        counters.visitorsTotal += 1;
        context.udpSockets += 1;
        this.#count();
      },
      bytes: (bytesIn, bytesOut) => {
        counters.bytesIn += bytesIn;
        counters.bytesOut += bytesOut;
      },
      unreachable: (error) =>
        context.visitorRefused(this.#options.spec().name, 'local_unreachable', errorText(error)),
      fault: (error) => context.fault('local datagram', error),
      ended: (session, reason) => this.#sessionEnded(session, reason),
    });
    const channel: UdpChannel = new UdpChannel(link, {
      backlogBytes: context.limits.udpBacklogBytes,
      onFrame: (frame) => locals.deliver(frame),
      onClosed: (reason) => this.#channelClosed(channel, locals, reason),
    });
    this.#channels.set(channel, locals);
    if (rest.length > 0) channel.receive(rest);
  }

  draining(): void {
    this.destroy('drain');
  }

  destroy(reason: EndReason): void {
    for (const channel of [...this.#channels.keys()]) channel.destroy(reason);
  }

  #channelClosed(channel: UdpChannel, locals: UdpLocals, reason: EndReason): void {
    this.#channels.delete(channel);
    locals.close(reason === 'bad_frame' ? reason : 'session_end');
    this.#options.counters.end(reason);
    if (reason === 'bad_frame') {
      this.#options.context.channelFailed(this.#options.spec().name, reason, undefined);
    }
    this.#count();
    if (this.size === 0) this.#options.empty();
  }

  #sessionEnded(session: LocalSession, reason: EndReason): void {
    const { context, counters } = this.#options;
    counters.end(reason);
    context.udpSockets -= 1;
    this.#count();
    context.visitorEnd({
      service: this.#options.spec().name,
      protocol: 'udp',
      visitor: addressOfKey(session.key),
      bytesIn: session.bytesIn,
      bytesOut: session.bytesOut,
      durationMs: Date.now() - session.since,
      reason,
    });
  }

  /** Of all channels together. */
  get #sessions(): number {
    let sessions = 0;
    for (const locals of this.#channels.values()) sessions += locals.size;
    return sessions;
  }

  #count(): void {
    this.#options.counters.visitorsOpen = this.#sessions;
  }
}
