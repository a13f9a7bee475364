/** A tunnel listener that native code has: see `TunnelListener`. */
import { formatAddress } from '../config/address.ts';
import { WarrenError } from '../errors.ts';
import type { BindingSystemError } from './binding.d.ts';
import type { CloseOptions, TunnelHandler, TunnelListener } from './engine.ts';
import type { EndReason } from './reason.ts';
import type { RustContext } from './rust-context.ts';
import { RustControlStream } from './rust-control-stream.ts';
import { Deferred } from './rust-deferred.ts';
import { systemError } from './rust-error.ts';
import type { SocketAddress, TransportSpec, TunnelListenSpec } from './spec.ts';

export class RustTunnelListener implements TunnelListener {
  readonly #context: RustContext;
  readonly #id: number;
  readonly #spec: TunnelListenSpec;
  readonly #handler: TunnelHandler;
  readonly #opened = new Deferred<RustTunnelListener>();
  readonly #closed = new Deferred<void>();
  #address: SocketAddress = { host: '', port: 0 };
  #closing = false;

  private constructor(context: RustContext, spec: TunnelListenSpec, handler: TunnelHandler) {
    this.#context = context;
    this.#id = context.newId();
    this.#spec = spec;
    this.#handler = handler;
    context.native.listen(this.#id, spec);
    context.listeners.set(this.#id, this);
    context.hold();
  }

  /** @throws WARREN_E_BIND; WARREN_E_STATE when the engine is closed meanwhile. */
  static async open(
    context: RustContext,
    spec: TunnelListenSpec,
    handler: TunnelHandler,
  ): Promise<RustTunnelListener> {
    return new RustTunnelListener(context, spec, handler).#opened.promise;
  }

  get address(): SocketAddress {
    return this.#address;
  }

  update(transport: TransportSpec): void {
    if (!this.#closing) this.#context.native.updateListener(this.#id, transport);
  }

  close(_options: CloseOptions): Promise<void> {
    return this.closeWith('tunnel_closed');
  }

  destroy(): void {
    void this.closeWith('destroyed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeWith('tunnel_closed');
  }

  /** Ends listener and sessions with the reason that the engine's own end has. */
  closeWith(reason: EndReason): Promise<void> {
    // One that is not bound yet has nothing to close: the engine's end takes it along.
    if (this.#opened.pending) return Promise.resolve();
    if (!this.#closing) this.#context.native.closeListener(this.#id, reason);
    this.#closing = true;
    return this.#closed.promise;
  }

  /** Upcall. */
  onListening(address: SocketAddress): void {
    this.#address = address;
    this.#opened.resolve(this);
  }

  /** Upcall. */
  onFailed(error: BindingSystemError): void {
    const message = `cannot listen on ${formatAddress(this.#spec.bind)}: ${error.message}`;
    const cause = systemError(error);
    this.#opened.reject(new WarrenError('WARREN_E_BIND', message, { cause }));
    this.onClosed();
  }

  /** Upcall: a control hello came. */
  onControl(digest: Uint8Array, id: number, peer: SocketAddress): void {
    // Native code ends it with the listener.
    if (this.#closing) return;
    const stream = new RustControlStream(this.#context, id, peer);
    try {
      this.#handler.control(digest, stream);
    } catch (error) {
      this.#context.events.fault('tunnel handler', error);
      stream.destroy('internal_error');
    }
  }

  /** Upcall: its port is free. Also when the whole engine has gone. */
  onClosed(): void {
    if (!this.#context.listeners.delete(this.#id)) return;
    this.#closing = true;
    this.#opened.reject(new WarrenError('WARREN_E_STATE', 'the engine is closed'));
    this.#closed.resolve();
    this.#context.release();
  }
}
