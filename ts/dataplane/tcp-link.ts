/**
 * A link on a TCP socket of node:net, read through `onread` (`onread-socket.ts`). Where a future Node
 * has no handle that can be moved, the socket's own 'data' events serve, slower and otherwise the same.
 */
import type net from 'node:net';
import type { SocketAddress } from '../engine/spec.ts';
import { type Link, type LinkSink, NO_SINK, type ReadUse } from './link.ts';
import { dialSocket, handleOf, localOf, moveSocket, type OnRead, peerOf } from './onread-socket.ts';
import { LinkFault, type OpenLinks } from './open-links.ts';
import { ReadBuffer } from './read-buffer.ts';

const NOTHING = new Uint8Array(0);

export class TcpLink implements Link {
  readonly #socket: net.Socket;
  readonly #buffer: ReadBuffer;
  readonly #peer: SocketAddress;
  readonly #links: OpenLinks;
  /** Its number when it was accepted; -1 where that is not known. */
  readonly descriptor: number;
  #sink: LinkSink = NO_SINK;
  #ended = false;
  #closed = false;
  #error: Error | undefined;
  #waitsForDrain = false;
  /** `resume` was called, while the sink had its last chunk or since. */
  #resumed = false;
  onDrained: (() => void) | undefined;

  private constructor(
    links: OpenLinks,
    open: (onread: OnRead) => net.Socket,
    peer: SocketAddress,
    fd = -1,
  ) {
    this.descriptor = fd;
    this.#links = links;
    const buffer = new ReadBuffer();
    this.#buffer = buffer;
    this.#peer = peer;
    this.#socket = open({
      buffer: () => buffer.current,
      callback: (length) => this.#onRead(length),
    });
    this.#socket.on('end', () => this.#onEof());
    this.#socket.on('error', (error) => {
      this.#error ??= error;
    });
    this.#socket.on('close', () => this.#onClose());
    links.add(this);
  }

  /** Takes over a socket that a `net.Server` with `pauseOnConnect` and `allowHalfOpen` accepted. */
  static accepted(links: OpenLinks, socket: net.Socket): TcpLink {
    const peer = peerOf(socket);
    const handle = handleOf(socket);
    if (handle === undefined) return TcpLink.#onDataEvents(links, socket, peer);
    const { fd } = handle;
    return new TcpLink(links, (onread) => moveSocket(socket, handle, onread), peer, fd);
  }

  /** Dials. The link is usable at once; `established` tells when it is up or failed. */
  static dial(links: OpenLinks, to: SocketAddress, options: net.SocketConstructorOpts): TcpLink {
    return new TcpLink(links, (onread) => dialSocket(to, options, onread), to);
  }

  static #onDataEvents(links: OpenLinks, socket: net.Socket, peer: SocketAddress): TcpLink {
    const link = new TcpLink(links, () => socket, peer);
    socket.on('data', (chunk: Buffer) => {
      link.#resumed = false;
      try {
        if (!link.#sink.data(chunk) && !link.#resumed) socket.pause();
      } catch (error) {
        link.#fault(error);
      }
    });
    socket.pause();
    return link;
  }

  /** Calls back once: without an error when connected, with one when that failed. */
  established(callback: (error: Error | undefined) => void): void {
    const socket = this.#socket;
    const onConnect = (): void => {
      socket.off('close', onClose);
      callback(undefined);
    };
    const onClose = (): void => callback(this.#error ?? new Error('closed while connecting'));
    socket.once('connect', onConnect);
    socket.once('close', onClose);
  }

  get peer(): SocketAddress {
    return this.#peer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Our end of it: of an accepted one, the address that was reached. */
  get local(): SocketAddress {
    return localOf(this.#socket);
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  setSink(sink: LinkSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.#resumed = true;
    if (!this.#ended && !this.#socket.destroyed) this.#socket.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  write(chunk: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return true;
    socket.write(chunk, this.#onFlushed);
    if (socket.writableLength === 0) return true;
    this.#waitsForDrain = true;
    return false;
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  end(): void {
    this.#socket.end();
  }

  endSoon(): void {
    this.#socket.destroySoon();
  }

  abort(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    // libuv refuses a reset while a shutdown is under way, and node would then leak the handle.
    const shuttingDown =
      socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
    // While it connects, node would put the reset off until it has.
    if (socket.connecting || shuttingDown) socket.destroy();
    else socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(idleMs: number): void {
    this.#socket.setKeepAlive(idleMs > 0, idleMs);
  }

  readLarge(use: ReadUse): void {
    this.#buffer.allow(use);
  }

  /**
   * The number of its descriptor, for one that takes the connection over by a duplicate. Undefined
   * while that cannot be: it is over, or what was written here is not with the system yet.
   */
  get transferable(): number | undefined {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded || socket.writableLength > 0) return undefined;
    const fd = handleOf(socket)?.fd ?? -1;
    return fd < 0 ? undefined : fd;
  }

  /** Ends here, without a word to the peer or the sink: the connection lives on elsewhere. */
  release(): void {
    this.#sink = NO_SINK;
    this.onDrained = undefined;
    // Closes the descriptor at once; there is no FIN while another one is open.
    this.#socket.destroy();
  }

  #onRead(length: number): boolean {
    const buffer = this.#buffer;
    this.#resumed = false;
    try {
      const goOn = this.#sink.data(buffer.take(length)) || this.#resumed;
      // Held bytes must not move: the buffer changes only when the sink is done with it.
      if (goOn) buffer.adapt(length);
      return goOn;
    } catch (error) {
      this.#fault(error);
      return false;
    }
  }

  /** A callback threw: this connection ends, the process does not. */
  #fault(error: unknown): void {
    this.#links.fault(error);
    this.#error ??= new LinkFault('a callback failed', { cause: error });
    this.abort();
  }

  /** One function for all writes, so that none allocates a closure. */
  readonly #onFlushed = (): void => {
    if (!this.#waitsForDrain || this.#socket.writableLength > 0) return;
    this.#waitsForDrain = false;
    try {
      this.onDrained?.();
    } catch (error) {
      this.#fault(error);
    }
  };

  /**
   * libuv reports a RST that comes right behind bytes as the end of the stream. An empty write
   * tells them apart: it fails on a connection that was reset, and 'close' with the error follows.
   */
  #onEof(): void {
    const socket = this.#socket;
    const deliver = (error?: Error | null): void => {
      if (error || this.#ended) return;
      this.#ended = true;
      try {
        this.#sink.end();
      } catch (fault) {
        this.#fault(fault);
      }
    };
    // Behind bytes that wait it would wait too; an end that is known late is worse than a vague
    // one.
    if (socket.writableEnded || socket.writableLength > 0) deliver();
    else socket.write(NOTHING, deliver);
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#links.delete(this);
    this.#buffer.release();
    const sink = this.#sink;
    this.#sink = NO_SINK;
    this.onDrained = undefined;
    try {
      sink.closed(this.#error);
    } catch (error) {
      this.#links.fault(error);
    }
  }
}
