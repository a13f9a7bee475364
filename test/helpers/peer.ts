/**
 * One end of a TCP connection as tests drive it: exact reads, FIN, RST, and what the other end did.
 * A transport may be on it. Knows nothing of warren.
 */
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { within } from './until.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** TCP, or a transport on it. */
export type PeerSocket = Duplex & { readonly bytesWritten: number };
/** Puts a transport on a connection. */
export type Carry = (raw: net.Socket) => Promise<PeerSocket>;

export interface PeerOptions {
  readonly paused?: boolean;
  /** The connection below the socket, where that is another. */
  readonly raw?: net.Socket;
}

interface PendingRead {
  readonly length: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class Peer {
  readonly socket: PeerSocket;
  readonly raw: net.Socket;
  /** The other end's FIN has come. */
  ended = false;
  /** The connection is gone. */
  closed = false;
  error: NodeJS.ErrnoException | undefined;
  /** Bytes that came in all. */
  received = 0;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #read: PendingRead | undefined;
  readonly #waiters: (() => void)[] = [];

  constructor(socket: net.Socket, options?: { paused?: boolean });
  constructor(socket: PeerSocket, options: PeerOptions & { raw: net.Socket });
  constructor(socket: PeerSocket, options: PeerOptions = {}) {
    this.socket = socket;
    // The overloads say that without `raw` the socket is the connection itself.
    this.raw = options.raw ?? (socket as net.Socket);
    const { raw } = this;
    raw.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      this.#changed();
    });
    socket.on('end', () => {
      if (brokenAtEnd(raw)) this.#broken();
      else this.ended = true;
      this.#changed();
    });
    socket.on('error', (error) => {
      this.error ??= error;
    });
    socket.on('close', () => {
      this.closed = true;
      this.#changed();
    });
    if (options.paused) socket.pause();
  }

  /** Not connected yet; it may never be. */
  static dial(to: Address, options: { paused?: boolean } = {}): Peer {
    const socket = net.connect({ ...to, allowHalfOpen: true, autoSelectFamily: false });
    return new Peer(socket, options);
  }

  static async connect(to: Address, options: { paused?: boolean } = {}): Promise<Peer> {
    const peer = Peer.dial(to, options);
    const { socket } = peer;
    await within(
      new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('close', () => reject(peer.error ?? new Error('closed while connecting')));
      }),
      `connect to ${to.host}:${to.port}`,
    );
    return peer;
  }

  /** With a transport on it. */
  static async carried(raw: net.Socket, carry: Carry): Promise<Peer> {
    try {
      return new Peer(await within(carry(raw), 'the handshake of a transport'), { raw });
    } catch (error) {
      raw.destroy();
      throw error;
    }
  }

  /** Connected, with a transport on it. */
  static async connectCarried(to: Address, carry: Carry): Promise<Peer> {
    const raw = net.connect({ ...to, allowHalfOpen: true, autoSelectFamily: false });
    await within(
      new Promise((resolve, reject) => raw.once('connect', resolve).once('error', reject)),
      `connect to ${to.host}:${to.port}`,
    );
    return await Peer.carried(raw, carry);
  }

  /** The connection ended by RST, as far as this end can tell. */
  get wasReset(): boolean {
    const code = this.error?.code;
    return this.closed && (code === 'ECONNRESET' || code === 'EPIPE');
  }

  get localPort(): number {
    return this.raw.localPort ?? 0;
  }

  /** Exactly so many bytes; rejects when the connection ends first. */
  read(length: number, what = `${length} bytes`): Promise<Buffer> {
    return within(
      new Promise<Buffer>((resolve, reject) => {
        this.#read = { length, resolve, reject };
        this.#changed();
      }),
      `${what} (${this.#buffered} of ${length} bytes are here)`,
    );
  }

  /** All that comes until FIN; rejects on RST. */
  async rest(): Promise<Buffer> {
    await this.until(() => this.ended || this.closed, 'FIN');
    if (!this.ended) throw this.error ?? new Error('closed without FIN');
    return this.take(this.#buffered);
  }

  /** Bytes that have come and were not read. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Resolves when `condition`, looked at whenever something came, is true. */
  until(condition: () => boolean, what: string): Promise<void> {
    return within(
      new Promise<void>((resolve) => {
        const check = (): void => {
          if (condition()) resolve();
          else this.#waiters.push(check);
        };
        check();
      }),
      what,
    );
  }

  async fin(): Promise<void> {
    await this.until(() => this.ended || this.closed, 'FIN');
    if (!this.ended) throw this.error ?? new Error('closed without FIN');
  }

  /** It ended, by FIN or RST. */
  async over(): Promise<void> {
    await this.until(() => this.ended || this.closed, 'FIN or RST');
  }

  async gone(): Promise<void> {
    await this.until(() => this.closed, 'the end of the connection');
  }

  /** Resolves when the bytes are with the system. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** FIN; resolves when it is sent. */
  end(): Promise<void> {
    return new Promise((resolve) => this.socket.end(() => resolve()));
  }

  /** RST; resolves when it is sent. */
  async reset(): Promise<void> {
    if (this.closed) return;
    this.raw.resetAndDestroy();
    await this.gone();
  }

  destroy(): void {
    this.socket.destroy();
  }

  take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const bytes = all ?? Buffer.alloc(0);
    const rest = bytes.subarray(length);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#buffered = rest.length;
    return bytes.subarray(0, length);
  }

  #broken(): void {
    this.error ??= Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    this.closed = true;
    this.socket.destroy();
  }

  #changed(): void {
    const read = this.#read;
    if (read !== undefined) {
      if (this.#buffered >= read.length) {
        this.#read = undefined;
        read.resolve(this.take(read.length));
      } else if (this.ended || this.closed) {
        this.#read = undefined;
        const why = this.error?.message ?? (this.ended ? 'FIN' : 'closed');
        read.reject(new Error(`${why} after ${this.#buffered} of ${read.length} bytes`));
      }
    }
    for (const check of this.#waiters.splice(0)) check();
  }
}

/**
 * libuv reports a RST that came right behind bytes as EOF. As long as this end has not sent FIN, the
 * system tells the two apart: only a connection that was reset has no peer any more.
 */
export function brokenAtEnd(socket: net.Socket): boolean {
  if (socket.writableEnded) return false;
  const internals = socket as unknown as { _handle?: { getpeername?: (out: object) => number } };
  return (internals._handle?.getpeername?.({}) ?? 0) !== 0;
}
