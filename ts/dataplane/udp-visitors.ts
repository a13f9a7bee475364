/**
 * The visitors of a udp service: who has sent something lately, found by the text of a datagram's
 * sender and by the key of a frame. Bounded, least recent out first (wire-v1 W24, W25).
 */
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';
import { encodeFramePrefix, keyOfPrefix } from '../protocol/udp-frame.ts';
import type { UdpChannel } from './udp-channel.ts';
import { type UdpEntry, UdpTable } from './udp-table.ts';

export interface UdpVisitor extends UdpEntry {
  /** When it last sent something itself; replies do not count. */
  heardAt: number;
  readonly key: string;
  readonly prefix: Buffer;
  readonly address: SocketAddress;
  readonly since: number;
  channel: UdpChannel | undefined;
  bytesIn: number;
  bytesOut: number;
}

export interface UdpVisitorsOptions {
  readonly max: number;
  readonly idleMs: number;
  readonly unheardMs: number;
  readonly joined: () => void;
  readonly ended: (visitor: UdpVisitor, reason: EndReason) => void;
}

export class UdpVisitors {
  readonly #options: UdpVisitorsOptions;
  readonly #table: UdpTable<UdpVisitor>;
  /** The key of a sender's text form, so that a datagram costs one map look-up. */
  readonly #keys = new Map<string, string>();

  constructor(options: UdpVisitorsOptions) {
    this.#options = options;
    this.#table = new UdpTable(options.max, options.idleMs, (_key, visitor, why) =>
      this.#ended(visitor, why),
    );
  }

  get size(): number {
    return this.#table.size;
  }

  /** The visitor that sent a datagram; a new one joins. */
  ofSender(host: string, port: number): UdpVisitor {
    const sender = senderText(host, port);
    const key = this.#keys.get(sender);
    const known = key === undefined ? undefined : this.#table.use(key);
    const visitor = known ?? this.#join(sender, host, port);
    visitor.heardAt = performance.now();
    return visitor;
  }

  /**
   * The visitor that a reply is for. Replies keep a session alive, but only for so long: one datagram
   * with a forged sender must not open a stream to it that never ends.
   */
  ofKey(key: string): UdpVisitor | undefined {
    const visitor = this.#table.use(key);
    if (visitor === undefined) return undefined;
    return performance.now() - visitor.heardAt < this.#options.unheardMs ? visitor : undefined;
  }

  /** That channel is gone: its visitors get another one with their next datagram. */
  leave(channel: UdpChannel): void {
    this.#table.each((visitor) => {
      if (visitor.channel === channel) visitor.channel = undefined;
    });
  }

  end(reason: EndReason): void {
    for (const visitor of this.#table.clear()) this.#ended(visitor, reason);
  }

  #join(sender: string, host: string, port: number): UdpVisitor {
    const prefix = encodeFramePrefix(host, port);
    const key = keyOfPrefix(prefix);
    // Link-local senders of two zones are one on the wire: the newer one has the key.
    const same = this.#table.take(key);
    if (same !== undefined) this.#ended(same, 'evicted');
    const now = performance.now();
    const visitor: UdpVisitor = {
      key,
      prefix,
      address: { host, port },
      since: Date.now(),
      lastSeen: now,
      heardAt: now,
      channel: undefined,
      bytesIn: 0,
      bytesOut: 0,
    };
    this.#keys.set(sender, key);
    this.#table.add(key, visitor);
    this.#options.joined();
    return visitor;
  }

  #ended(visitor: UdpVisitor, reason: EndReason): void {
    this.#keys.delete(senderText(visitor.address.host, visitor.address.port));
    this.#options.ended(visitor, reason);
  }
}

function senderText(host: string, port: number): string {
  return `${host} ${port}`;
}
