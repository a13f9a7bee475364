/** What services of both roles have in common: a session at a time, and their end. */
import { WarrenError } from '../errors.ts';
import type { CloseOptions, ControlStream, SessionHandler } from './engine.ts';
import type { EndReason } from './reason.ts';
import type { RustContext } from './rust-context.ts';
import type { RustControlStream } from './rust-control-stream.ts';
import { Deferred } from './rust-deferred.ts';
import { RustSession, refuseSession, requireOwnStream } from './rust-session.ts';
import type { SocketAddress } from './spec.ts';

export abstract class RustService {
  readonly id: number;
  protected readonly context: RustContext;
  readonly #closed = new Deferred<void>();
  #session: RustSession | undefined;
  #state: 'open' | 'closing' | 'destroyed' = 'open';

  constructor(context: RustContext) {
    this.context = context;
    this.id = context.newId();
    context.services.set(this.id, this);
  }

  /** Upcall: a server's public address, or that there is none any more. */
  abstract onAddress(address: SocketAddress | undefined): void;

  detach(reason: EndReason): void {
    this.#session?.end(reason);
  }

  close(options: CloseOptions): Promise<void> {
    return this.closeWith('service_closed', options);
  }

  /** `reason` is that of the session and of the visitors that wait. */
  closeWith(reason: EndReason, { deadlineMs }: CloseOptions): Promise<void> {
    if (this.#state === 'open') {
      this.#beginEnd('closing', reason);
      const deadline = Number.isFinite(deadlineMs) ? Math.max(0, deadlineMs) : undefined;
      this.context.native.closeService(this.id, reason, deadline);
    }
    return this.#closed.promise;
  }

  destroy(): void {
    if (this.#state === 'destroyed') return;
    this.#beginEnd('destroyed', 'destroyed');
    this.context.native.destroyService(this.id);
  }

  /** Resolves when nothing of it is left, whoever ended it. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  /** The newest session has ended. */
  sessionEnded(session: RustSession): void {
    if (this.#session === session) this.#session = undefined;
  }

  /** Upcall. Also for what is left when the whole engine has gone. */
  onClosed(): void {
    if (!this.context.services.delete(this.id)) return;
    this.context.native.forgetService(this.id);
    const held = this.#state !== 'open';
    this.#state = 'destroyed';
    this.#closed.resolve();
    if (held) this.context.release();
  }

  protected get isOpen(): boolean {
    return this.#state === 'open';
  }

  /**
   * Takes a session over; `give` hands it to native code, which ends the one before.
   * @throws WARREN_E_STATE
   */
  protected takeOver(
    session: { readonly control: ControlStream; readonly handler: SessionHandler },
    give: (stream: RustControlStream, session: number) => void,
  ): void {
    if (!this.isOpen) {
      refuseSession(this.context, session);
      return;
    }
    const stream = requireOwnStream(this.context, session.control);
    stream.requireHeld();
    const next = new RustSession(this.context, stream, session.handler, this);
    // Before whatever the routine sends.
    stream.flush();
    give(stream, next.id);
    this.#session?.ending('replaced');
    this.#session = next;
    next.start();
  }

  /** The session whose routine is suspended. @throws WARREN_E_STATE without one. */
  protected requireSuspended(): RustSession {
    if (this.#session?.state === 'suspended') return this.#session;
    throw new WarrenError('WARREN_E_STATE', 'no session is suspended');
  }

  #beginEnd(state: 'closing' | 'destroyed', reason: EndReason): void {
    if (this.#state === 'open') this.context.hold();
    this.#state = state;
    this.#session?.ending(reason);
    this.onAddress(undefined);
  }
}
