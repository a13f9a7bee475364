/**
 * A link in TLS: a TLSSocket of node:tls on a stream (`transport/tls-stream.ts`) on the link below.
 *
 * close_notify is the peer's end, with or without FIN behind it, and we may go on writing; FIN
 * alone is `truncated`, unless what TLS carries has ended before.
 */
import type { TLSSocket } from 'node:tls';
import type { SocketAddress } from '../engine/spec.ts';
import { errorText } from '../errors.ts';
import { type Link, type LinkSink, NO_SINK, type ReadUse } from './link.ts';
import { LinkFault, type OpenLinks } from './open-links.ts';
import { TransportFault } from './transport/codec.ts';
import { refusalByAlert, type TlsRole } from './transport/tls-refusal.ts';
import type { TlsStream } from './transport/tls-stream.ts';

export class TlsLink implements Link {
  readonly #links: OpenLinks;
  readonly #below: Link;
  readonly #stream: TlsStream;
  readonly #socket: TLSSocket;
  readonly #role: TlsRole;
  #sink: LinkSink = NO_SINK;
  /** The peer has sent something: its handshake is over, too. */
  #heard = false;
  #ended = false;
  #closed = false;
  #error: Error | undefined;
  /** FIN came before close_notify. */
  #cut = false;
  #peerIsDone = false;
  /** Of the write under way: what the system has, although node:tls has not said so yet. */
  #taken = 0;
  #waitsForDrain = false;
  /** The sink takes data, and the end. */
  #reading = false;
  /** node:tls has told of the end, which it does not keep back when it is paused. */
  #endIsDue = false;
  onDrained: (() => void) | undefined;

  /** After the handshake; paused. */
  constructor(links: OpenLinks, stream: TlsStream, socket: TLSSocket, role: TlsRole) {
    this.#links = links;
    this.#below = stream.link;
    this.#stream = stream;
    this.#socket = socket;
    this.#role = role;
    stream.established({
      fin: () => this.#onFin(),
      gone: (error) => this.#onGone(error),
      flooded: () => this.#onFlooded(),
    });
    // Counts what node:tls opens, also while it is paused and 'data' does not come.
    const push = socket.push.bind(socket);
    socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk !== null) stream.opened();
      return push(chunk, encoding);
    };
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error) => this.#onError(error));
    // What node:tls has for sockets of servers that are not its own.
    socket.on('_tlsError', (error: Error) => this.#onError(error));
  }

  get peer(): SocketAddress {
    return this.#below.peer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get backlog(): number {
    return this.#socket.writableLength - this.#taken + this.#below.backlog;
  }

  /** The handshake was an abbreviated one. */
  get resumed(): boolean {
    return this.#socket.isSessionReused();
  }

  setSink(sink: LinkSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.#reading = true;
    if (this.#closed || this.#ended) return;
    // A sink is never called inside a call of its own.
    if (this.#endIsDue) process.nextTick(() => this.#tellEnd());
    this.#socket.resume();
    this.#stream.release();
  }

  pause(): void {
    this.#reading = false;
    if (this.#closed || this.#ended) return;
    this.#socket.pause();
    // Or node:tls would go on filling its own buffer.
    this.#stream.hold();
  }

  write(chunk: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#closed || socket.destroyed || socket.writableEnded) return true;
    // With nothing before it, it is encrypted within the call.
    const atOnce = socket.writableLength === 0 && socket.writableCorked === 0;
    socket.write(chunk, this.#onWritten);
    if (atOnce && this.#below.backlog === 0) {
      this.#taken = chunk.byteLength;
      return true;
    }
    this.#waitsForDrain = true;
    return false;
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** close_notify and FIN, behind everything written. */
  end(): void {
    if (!this.#closed) this.#socket.end();
  }

  endSoon(): void {
    if (this.#closed) return;
    const socket = this.#socket;
    if (socket.writableFinished || socket.destroyed) {
      this.#below.endSoon();
      return;
    }
    socket.once('finish', () => this.#below.endSoon());
    socket.end();
  }

  peerIsDone(): void {
    this.#peerIsDone = true;
  }

  abort(): void {
    this.#stream.ignore();
    this.#below.abort();
    this.#socket.destroy();
  }

  destroy(): void {
    this.#stream.ignore();
    this.#below.destroy();
    this.#socket.destroy();
  }

  setNoDelay(on: boolean): void {
    this.#below.setNoDelay(on);
  }

  readLarge(use: ReadUse): void {
    // What comes is decrypted within the call that brings it, into memory of its own.
    this.#below.readLarge(use === 'cautious' ? use : 'reused');
  }

  #onData(chunk: Buffer): void {
    this.#heard = true;
    this.#guard(() => {
      this.#reading = false;
      // A `resume` inside the call wins.
      if (this.#sink.data(chunk)) this.#reading = true;
      if (!this.#reading) this.pause();
    });
  }

  #onFlooded(): void {
    const text = 'the peer sends TLS records one behind the other that carry nothing';
    this.#fail(new TransportFault('bad_record', text));
  }

  #onFin(): void {
    if (this.#socket.readableEnded) return;
    this.#cut = true;
    // Comes back as 'end', behind what is still to be delivered.
    this.#stream.emit('end');
  }

  #onEnd(): void {
    this.#endIsDue = true;
    if (this.#reading) this.#tellEnd();
  }

  #tellEnd(): void {
    if (!this.#endIsDue || !this.#reading || this.#closed) return;
    this.#endIsDue = false;
    if (this.#cut && !this.#peerIsDone) {
      const text = 'the peer closed without the end that TLS has';
      this.#fail(new TransportFault('truncated', text, this.#stream.betweenRecords));
      return;
    }
    this.#ended = true;
    this.#stream.discard();
    this.#guard(() => this.#sink.end());
  }

  #onError(error: Error): void {
    const refusal = refusalByAlert(error, this.#role, this.#heard);
    this.#fail(refusal ?? new TransportFault('bad_record', `TLS failed: ${errorText(error)}`));
  }

  /** A callback of ours threw: this connection ends, the process does not. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#links.fault(error);
      this.#fail(new LinkFault('a callback failed', { cause: error }));
    }
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.abort();
  }

  readonly #onWritten = (): void => {
    this.#taken = 0;
    if (!this.#waitsForDrain || this.backlog > 0) return;
    this.#waitsForDrain = false;
    this.#guard(() => this.onDrained?.());
  };

  #onGone(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    const sink = this.#sink;
    this.#sink = NO_SINK;
    this.onDrained = undefined;
    this.#socket.destroy();
    try {
      sink.closed(this.#error ?? error);
    } catch (fault) {
      this.#links.fault(fault);
    }
  }
}
