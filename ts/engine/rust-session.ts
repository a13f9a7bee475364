/** One session of a service that native code runs, and its handler. */
import { WarrenError } from '../errors.ts';
import type { ControlStream, SessionHandler } from './engine.ts';
import type { EndReason } from './reason.ts';
import type { RustContext } from './rust-context.ts';
import { RustControlStream } from './rust-control-stream.ts';

export interface RustSessionOwner {
  /** Of the service. */
  readonly id: number;
  sessionEnded(session: RustSession): void;
}

export class RustSession {
  readonly id: number;
  readonly stream: RustControlStream;
  readonly #context: RustContext;
  readonly #handler: SessionHandler;
  readonly #owner: RustSessionOwner;
  /** Of a stream that had ended before it was attached. */
  readonly #endedBefore: EndReason | undefined;
  #state: 'running' | 'suspended' | 'ending' | 'ended' = 'running';

  constructor(
    context: RustContext,
    stream: RustControlStream,
    handler: SessionHandler,
    owner: RustSessionOwner,
  ) {
    this.id = context.newId();
    this.stream = stream;
    this.#context = context;
    this.#handler = handler;
    this.#owner = owner;
    this.#endedBefore = stream.end;
  }

  get state(): 'running' | 'suspended' | 'ending' | 'ended' {
    return this.#state;
  }

  /** Native code has been given it: exactly one `ended` follows. */
  start(): void {
    this.stream.attachTo(this);
    this.#context.sessions.set(this.id, this);
    this.#context.hold();
  }

  /** After `surplus`: the routine has the stream again. */
  resume(): void {
    this.#state = 'running';
  }

  /** Ends it; `ended` follows. */
  end(reason: EndReason): void {
    if (this.#state === 'ending' || this.#state === 'ended') return;
    this.ending(reason);
    this.#context.native.detach(this.#owner.id, reason);
  }

  /** Native code is being told of its end by something else. */
  ending(reason: EndReason): void {
    if (this.#state === 'ended') return;
    this.#state = 'ending';
    this.stream.endedByUs(reason);
  }

  /** Upcall: bytes came that the routine does not know. */
  onSurplus(): void {
    if (this.#state !== 'running') return;
    this.#state = 'suspended';
    try {
      this.#handler.surplus(this.stream);
    } catch (error) {
      this.#context.events.fault('surplus handler', error);
      this.end('internal_error');
    }
  }

  /** Upcall, the last one. Also for what is left when the whole engine has gone. */
  onEnded(reason: EndReason): void {
    if (!this.#context.sessions.delete(this.id)) return;
    this.#state = 'ended';
    this.stream.endedByUs(reason);
    this.#owner.sessionEnded(this);
    this.#context.release();
    tellEnded(this.#context, this.#handler, this.#endedBefore ?? reason);
  }
}

/** A session that came too late, for a service that has ended: its one `ended` still comes. */
export function refuseSession(
  context: RustContext,
  { control, handler }: { readonly control: ControlStream; readonly handler: SessionHandler },
): void {
  control.destroy('service_closed');
  queueMicrotask(() => tellEnded(context, handler, 'service_closed'));
}

/** @throws WARREN_E_STATE for a stream of another engine. */
export function requireOwnStream(context: RustContext, stream: ControlStream): RustControlStream {
  if (stream instanceof RustControlStream && stream.context === context) return stream;
  throw new WarrenError('WARREN_E_STATE', 'this control stream belongs to another engine');
}

function tellEnded(context: RustContext, handler: SessionHandler, reason: EndReason): void {
  try {
    handler.ended(reason);
  } catch (error) {
    context.events.fault('ended handler', error);
  }
}
