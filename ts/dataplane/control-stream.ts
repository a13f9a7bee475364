/**
 * The ControlStream of the TypeScript engine: ordered reads and writes on a link while the control
 * plane holds it, raw chunks to a routine while a service has it attached.
 */
import type { ControlStream } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';
import { WarrenError } from '../errors.ts';
import type { Link } from './link.ts';
import { channelReason } from './link-end.ts';
import { RefusedError } from './transport/codec.ts';
import { linger } from './transport/linger.ts';

/** Unread bytes that are kept; a command is 4 bytes, a hello 37. */
const UNREAD_MAX_BYTES = 4_096;

/** What a routine does with an attached stream. */
export interface ControlRoutineSink {
  /** Consumes what it knows and returns how much that was. Less than all is surplus. */
  bytes(chunk: Buffer): number;
  ended(reason: EndReason): void;
}

export interface ControlStreamOptions {
  readonly lingerMs: number;
  /** Bytes that were read behind the hello. */
  readonly unread: Uint8Array;
  /** Runs once, when the stream is attached or its connection is gone, lingering included. */
  readonly settled: () => void;
  /** Runs once, when the stream ends; `wasAttached`: after a complete handshake. */
  readonly ended: (reason: EndReason, wasAttached: boolean) => void;
}

interface PendingRead {
  readonly length: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

export class TypescriptControlStream implements ControlStream {
  readonly #link: Link;
  readonly #options: ControlStreamOptions;
  #settled = false;
  #unread: Buffer;
  #read: PendingRead | undefined;
  readonly #writes = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  /** Stays through a suspension, to hear of the end. */
  #routine: ControlRoutineSink | undefined;
  #attached = false;
  /** It has been attached once: the handshake is behind it. */
  #wasAttached = false;
  #end: EndReason | undefined;
  #lingering: Promise<void> = Promise.resolve();
  /** More than the reason says. */
  #error: string | undefined;

  constructor(link: Link, options: ControlStreamOptions) {
    this.#link = link;
    this.#options = options;
    this.#unread = Buffer.from(options.unread);
    link.setSink({
      data: (chunk) => this.#onData(chunk),
      end: () => this.#finishWith(this.#eofReason()),
      closed: (error) => {
        if (error instanceof RefusedError) this.#error = error.message;
        this.#finishWith(this.#brokenReason(error));
      },
    });
    link.onDrained = () => this.#settleWrites(undefined);
    link.resume();
  }

  get peer(): SocketAddress {
    return this.#link.peer;
  }

  async read(length: number): Promise<Uint8Array> {
    this.#requireHeld();
    if (this.#read !== undefined || length < 1 || length > UNREAD_MAX_BYTES) {
      throw new WarrenError('WARREN_E_STATE', 'one read of 1 to 4096 bytes at a time');
    }
    return new Promise((resolve, reject) => {
      this.#read = { length, resolve, reject };
      this.#serveRead();
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#requireHeld();
    if (this.#end !== undefined) throw this.#closedError();
    if (this.#link.write(bytes)) return;
    await new Promise<void>((resolve, reject) => this.#writes.add({ resolve, reject }));
  }

  finish(reason: EndReason): void {
    if (this.#end !== undefined) return;
    this.#finishWith(reason, 'linger');
    this.#lingering = new Promise((resolve) => {
      linger(this.#link, this.#options.lingerMs, () => {
        this.#settle();
        resolve();
      });
    });
  }

  destroy(reason: EndReason): void {
    this.#finishWith(reason);
  }

  /** Ends an attached one: where the peer should know, and there is a goodbye, politely behind that. */
  leave(reason: EndReason, goodbye: Uint8Array): void {
    const isForPeer = reason === 'drain' || reason === 'service_closed';
    if (!isForPeer || goodbye.byteLength === 0) {
      this.destroy(reason);
      return;
    }
    this.send(goodbye);
    this.finish(reason);
  }

  /** Resolves when its polite end, if it has one, is over. */
  get gone(): Promise<void> {
    return this.#lingering;
  }

  /** Cuts its polite end short. */
  cut(): void {
    if (this.#end !== undefined) this.#link.destroy();
  }

  /** held -> attached. Unread bytes go to the routine first. @throws WARREN_E_STATE */
  attach(routine: ControlRoutineSink): void {
    this.#requireHeld();
    this.#settle();
    this.#wasAttached = true;
    if (this.#end !== undefined) {
      const reason = this.#end;
      queueMicrotask(() => routine.ended(reason));
      return;
    }
    this.#link.setNoDelay(true);
    this.#routine = routine;
    this.#attached = true;
    const unread = this.#unread;
    this.#unread = Buffer.alloc(0);
    if (unread.length > 0) this.#onData(unread);
    this.#link.resume();
  }

  /** attached -> held: the routine is suspended and `bytes` are unread. */
  suspend(bytes: Buffer): void {
    this.#attached = false;
    this.#unread = Buffer.from(bytes);
  }

  /** What the routine sends. Commands that a stuck peer does not take are bounded by its caller. */
  send(bytes: Uint8Array): void {
    if (this.#end === undefined) this.#link.write(bytes);
  }

  get backlog(): number {
    return this.#link.backlog;
  }

  #onData(chunk: Uint8Array): boolean {
    const all = Buffer.concat([this.#unread, chunk]);
    this.#unread = all;
    if (this.#attached && this.#routine !== undefined) {
      const used = this.#routine.bytes(all);
      // Else `suspend` has put the rest where reads find it.
      if (this.#attached) this.#unread = all.subarray(used);
    } else {
      this.#serveRead();
    }
    return this.#end === undefined && this.#unread.length <= UNREAD_MAX_BYTES;
  }

  #serveRead(): void {
    const read = this.#read;
    if (read === undefined) return;
    if (this.#unread.length >= read.length) {
      this.#read = undefined;
      const bytes = Buffer.from(this.#unread.subarray(0, read.length));
      this.#unread = Buffer.from(this.#unread.subarray(read.length));
      this.#link.resume();
      read.resolve(bytes);
    } else if (this.#end !== undefined) {
      this.#read = undefined;
      read.reject(this.#closedError());
    }
  }

  #finishWith(reason: EndReason, how: 'close' | 'linger' = 'close'): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    if (how === 'close') {
      this.#link.destroy();
      this.#settle();
    }
    this.#serveRead();
    this.#settleWrites(this.#closedError());
    const routine = this.#routine;
    this.#routine = undefined;
    this.#attached = false;
    routine?.ended(reason);
    this.#options.ended(reason, this.#wasAttached);
  }

  #eofReason(): EndReason {
    return this.#wasAttached ? 'control_eof' : 'handshake_eof';
  }

  #brokenReason(error: Error | undefined): EndReason {
    const reset = this.#wasAttached ? 'control_reset' : 'handshake_eof';
    return channelReason(error, this.#eofReason(), reset);
  }

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#options.settled();
  }

  #settleWrites(error: Error | undefined): void {
    for (const write of this.#writes) {
      if (error === undefined) write.resolve();
      else write.reject(error);
    }
    this.#writes.clear();
  }

  #requireHeld(): void {
    if (this.#attached) {
      throw new WarrenError('WARREN_E_STATE', 'the control stream is attached to a service');
    }
  }

  #closedError(): WarrenError {
    const message = `control channel ended: ${this.#error ?? this.#end}`;
    return new WarrenError('WARREN_E_CONTROL_CLOSED', message, { reason: this.#end });
  }
}
