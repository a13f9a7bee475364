/**
 * The client's side of one udp data channel: a connected local socket per visitor, bounded, gone
 * after the idle time (wire-v1 3.3, W25). A local service that is down for a while costs datagrams,
 * not the session (W29).
 */
import type dgram from 'node:dgram';
import type { EndReason } from '../engine/reason.ts';
import { prefixOfKey, UDP_PAYLOAD_MAX, type UdpFrame } from '../protocol/udp-frame.ts';
import { enlargeBuffers, openUdpSocket } from './udp-socket.ts';
import { type UdpEntry, UdpTable } from './udp-table.ts';

/** Datagrams of one visitor that wait for its socket to be connected. */
const CONNECTING_MAX = 64;

export interface LocalSession extends UdpEntry {
  readonly key: string;
  readonly prefix: Buffer;
  readonly since: number;
  /** Undefined while it is being made. */
  socket: dgram.Socket | undefined;
  waiting: Buffer[];
  ended: boolean;
  bytesIn: number;
  bytesOut: number;
}

export interface UdpLocalsOptions {
  readonly max: number;
  readonly idleMs: number;
  readonly backlogBytes: number;
  /** Whether the service may have one more session; all its channels share the limit. */
  readonly hasRoom: () => boolean;
  /** The local service's literal address, looked up anew for every session. */
  readonly resolve: () => Promise<{ host: string; port: number }>;
  readonly toVisitor: (prefix: Buffer, payload: Buffer) => boolean;
  readonly dropped: () => void;
  readonly opened: () => void;
  readonly bytes: (bytesIn: number, bytesOut: number) => void;
  readonly unreachable: (error: unknown) => void;
  readonly fault: (error: unknown) => void;
  readonly ended: (session: LocalSession, reason: EndReason) => void;
}

export class UdpLocals {
  readonly #options: UdpLocalsOptions;
  readonly #sessions: UdpTable<LocalSession>;

  constructor(options: UdpLocalsOptions) {
    this.#options = options;
    this.#sessions = new UdpTable(options.max, options.idleMs, (_key, session, why) =>
      this.#end(session, why),
    );
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** A visitor's datagram; `payload` is copied if it must wait. */
  deliver({ key, payload }: UdpFrame): void {
    let session = this.#sessions.use(key);
    if (session === undefined) {
      if (!this.#options.hasRoom() && !this.#sessions.evictOldest()) {
        this.#options.dropped();
        return;
      }
      session = this.#open(key);
    }
    if (payload.length > UDP_PAYLOAD_MAX) this.#options.dropped();
    else if (session.socket !== undefined) this.#send(session, session.socket, payload);
    else if (session.waiting.length < CONNECTING_MAX) session.waiting.push(Buffer.from(payload));
    else this.#options.dropped();
  }

  close(reason: EndReason): void {
    for (const session of this.#sessions.clear()) this.#end(session, reason);
  }

  #open(key: string): LocalSession {
    const session: LocalSession = {
      key,
      prefix: prefixOfKey(key),
      since: Date.now(),
      lastSeen: performance.now(),
      socket: undefined,
      waiting: [],
      ended: false,
      bytesIn: 0,
      bytesOut: 0,
    };
    this.#sessions.add(key, session);
    this.#options.opened();
    this.#connect(session).catch((error: unknown) => this.#options.fault(error));
    return session;
  }

  async #connect(session: LocalSession): Promise<void> {
    try {
      const { host, port } = await this.#options.resolve();
      if (session.ended) return;
      const socket = openUdpSocket(host);
      socket.on('message', (payload) => {
        try {
          this.#onReply(session, payload);
        } catch (error) {
          this.#options.fault(error);
        }
      });
      // ECONNREFUSED while the local service restarts; the next datagram tries again.
      socket.on('error', () => this.#options.dropped());
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        // With an error, node passes it to the callback of a connect.
        socket.connect(port, host, ((error?: Error) =>
          error === undefined ? resolve() : reject(error)) as () => void);
      }).catch((error: unknown) => {
        socket.close();
        throw error;
      });
      if (session.ended) {
        socket.close();
        return;
      }
      enlargeBuffers(socket);
      session.socket = socket;
      for (const payload of session.waiting) this.#send(session, socket, payload);
      session.waiting = [];
    } catch (error) {
      if (session.ended) return;
      this.#options.unreachable(error);
      this.#sessions.take(session.key);
      this.#end(session, 'local_unreachable');
    }
  }

  #send(
    session: LocalSession,
    socket: dgram.Socket,
    payload: Uint8Array,
    attempt: 'first' | 'again' = 'first',
  ): void {
    if (socket.getSendQueueSize() > this.#options.backlogBytes) {
      this.#options.dropped();
      return;
    }
    socket.send(payload, (error, bytes) => {
      if (session.ended) return;
      if (error === null) {
        session.bytesIn += bytes;
        this.#options.bytes(bytes, 0);
      } else if (attempt === 'first' && 'code' in error && error.code === 'ECONNREFUSED') {
        // An ICMP error of an earlier datagram surfaces here and takes this one with it: once more.
        this.#send(session, socket, payload, 'again');
      } else {
        this.#options.dropped();
      }
    });
  }

  #onReply(session: LocalSession, payload: Buffer): void {
    this.#sessions.use(session.key);
    // IPv6 on loopback carries a little more than a server could send on (wire-v1 7.7).
    if (payload.length > UDP_PAYLOAD_MAX || !this.#options.toVisitor(session.prefix, payload)) {
      this.#options.dropped();
      return;
    }
    session.bytesOut += payload.length;
    this.#options.bytes(0, payload.length);
  }

  #end(session: LocalSession, reason: EndReason): void {
    if (session.ended) return;
    session.ended = true;
    session.waiting = [];
    session.socket?.close();
    session.socket = undefined;
    this.#options.ended(session, reason);
  }
}
