/**
 * A control channel that native code has: reads and writes go down, their answers come up. See
 * `ControlStream`.
 */
import { WarrenError } from '../errors.ts';
import type { ControlStream } from './engine.ts';
import type { EndReason } from './reason.ts';
import type { RustContext } from './rust-context.ts';
import { Deferred } from './rust-deferred.ts';
import type { RustSession } from './rust-session.ts';
import type { SocketAddress } from './spec.ts';

const READ_MAX_BYTES = 4_096;

interface PendingRead {
  readonly length: number;
  readonly done: Deferred<Uint8Array>;
}

interface PendingWrite {
  readonly bytes: Uint8Array;
  readonly done: Deferred<void>;
}

export class RustControlStream implements ControlStream {
  readonly id: number;
  readonly peer: SocketAddress;
  readonly context: RustContext;
  /** Came with its end; until then native code keeps it. */
  #unread: Buffer = Buffer.alloc(0);
  #read: PendingRead | undefined;
  /** With native code: one answer settles all of them. */
  #flushing: PendingWrite[] = [];
  /** That answer must not be taken for these, so they are written after it. */
  #waiting: PendingWrite[] = [];
  /** Stays through a suspension, and beyond the end. */
  #session: RustSession | undefined;
  #end: EndReason | undefined;
  /** More than the reason says. */
  #error: string | undefined;

  constructor(context: RustContext, id: number, peer: SocketAddress) {
    this.context = context;
    this.id = id;
    this.peer = peer;
    context.streams.set(id, this);
    context.hold();
  }

  get end(): EndReason | undefined {
    return this.#end;
  }

  async read(length: number): Promise<Uint8Array> {
    this.requireHeld();
    if (this.#read !== undefined || !(length >= 1 && length <= READ_MAX_BYTES)) {
      throw new WarrenError('WARREN_E_STATE', 'one read of 1 to 4096 bytes at a time');
    }
    const read = { length, done: new Deferred<Uint8Array>() };
    this.#read = read;
    if (this.#end === undefined) this.context.native.streamRead(this.id, length);
    else this.#serveRead();
    return read.done.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#isAttached) return Promise.reject(attachedError());
    if (this.#end !== undefined) return Promise.reject(this.#closedError());
    const write = { bytes: Uint8Array.from(bytes), done: new Deferred<void>() };
    // Whoever does not wait for it hears of the end elsewhere.
    write.done.promise.catch(() => undefined);
    this.#waiting.push(write);
    if (this.#flushing.length === 0) this.flush();
    return write.done.promise;
  }

  finish(reason: EndReason): void {
    if (this.#end !== undefined) return;
    this.flush();
    this.#session?.ending(reason);
    this.endedByUs(reason);
    this.context.native.streamFinish(this.id, reason);
  }

  destroy(reason: EndReason): void {
    if (this.#end !== undefined) return;
    if (this.#session !== undefined) {
      this.#session.end(reason);
      return;
    }
    this.endedByUs(reason);
    this.context.native.streamDestroy(this.id, reason);
  }

  /** held -> attached. */
  attachTo(session: RustSession): void {
    this.#session = session;
  }

  /** @throws WARREN_E_STATE while a session's routine reads and writes. */
  requireHeld(): void {
    if (this.#isAttached) throw attachedError();
  }

  /** All that has been written goes to native code now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const writes = this.#waiting;
    this.#waiting = [];
    this.#flushing.push(...writes);
    this.context.native.streamWrite(this.id, Buffer.concat(writes.map(({ bytes }) => bytes)));
  }

  /** The control plane has ended it; native code is told by whoever calls this. */
  endedByUs(reason: EndReason): void {
    this.#end ??= reason;
    this.#settle();
  }

  /** Upcall: the bytes that `read` asked for. */
  onRead(bytes: Uint8Array): void {
    const read = this.#read;
    this.#read = undefined;
    read?.done.resolve(bytes);
  }

  /** Upcall: what was written is with the system. */
  onFlushed(): void {
    const flushed = this.#flushing;
    this.#flushing = [];
    for (const { done } of flushed) done.resolve();
    if (this.#end === undefined && this.#waiting.length > 0) this.flush();
  }

  /** Upcall, the last one of this stream. */
  onEnded(reason: EndReason, unread: Buffer, error?: string): void {
    this.context.streams.delete(this.id);
    this.#end ??= reason;
    this.#error = error;
    this.#unread = unread;
    this.#settle();
    this.context.release();
  }

  get #isAttached(): boolean {
    return this.#end === undefined && this.#session?.state === 'running';
  }

  /** After the end. */
  #serveRead(): void {
    const read = this.#read;
    if (read === undefined) return;
    this.#read = undefined;
    if (this.#unread.length >= read.length) {
      const bytes = this.#unread.subarray(0, read.length);
      this.#unread = this.#unread.subarray(read.length);
      read.done.resolve(bytes);
    } else {
      read.done.reject(this.#closedError());
    }
  }

  #settle(): void {
    this.#serveRead();
    for (const { done } of [...this.#flushing, ...this.#waiting]) done.reject(this.#closedError());
    this.#flushing = [];
    this.#waiting = [];
  }

  #closedError(): WarrenError {
    const message = `control channel ended: ${this.#error ?? this.#end}`;
    return new WarrenError('WARREN_E_CONTROL_CLOSED', message, { reason: this.#end });
  }
}

function attachedError(): WarrenError {
  return new WarrenError('WARREN_E_STATE', 'the control stream is attached to a service');
}
