/**
 * The engine in Rust: `native/core`, by way of `native/napi`. Native threads own every socket; here
 * calls go down and upcalls come up, in batches, one wake-up each. In steady state there are none.
 */
import { WarrenError } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type {
  ClientService,
  CloseOptions,
  ControlStream,
  Engine,
  EngineOptions,
  ServerService,
  TunnelHandler,
  TunnelListener,
} from './engine.ts';
import type { Binding } from './load-binding.ts';
import type { EndReason } from './reason.ts';
import { RustClientService } from './rust-client-service.ts';
import { RustContext } from './rust-context.ts';
import { RustDial } from './rust-dial.ts';
import { RustEvents } from './rust-events.ts';
import { RustServerService } from './rust-server-service.ts';
import { engineStats } from './rust-stats.ts';
import { RustTunnelListener } from './rust-tunnel-listener.ts';
import { RustWaker, takeUpcalls } from './rust-upcalls.ts';
import type { ClientServiceSpec, DialSpec, ServerServiceSpec, TunnelListenSpec } from './spec.ts';
import type { EngineStats } from './stats.ts';

export class RustEngine implements Engine {
  readonly name = 'rust';
  /** How many it has. */
  readonly threads: number;
  readonly #context: RustContext;
  #closed: Promise<void> | undefined;

  /** @throws when the system has no threads or descriptors left. */
  constructor(binding: Binding, options: EngineOptions = {}) {
    const { limits, accessLog = false, events, threads = 0 } = options;
    const all = { ...DEFAULT_LIMITS, ...limits };
    const waker = new RustWaker();
    const native = new binding.BindingEngine(
      { limits: all, accessLog, events: events !== undefined, threads },
      waker.wake,
    );
    this.threads = native.threads();
    this.#context = new RustContext(native, new RustEvents(events));
    waker.wakes(this.#context);
  }

  async listen(spec: TunnelListenSpec, handler: TunnelHandler): Promise<TunnelListener> {
    this.#requireOpen();
    const listener = await RustTunnelListener.open(this.#context, spec, handler);
    if (this.#closed !== undefined) {
      listener.destroy();
      this.#requireOpen();
    }
    return listener;
  }

  async dial(spec: DialSpec, signal: AbortSignal): Promise<ControlStream> {
    this.#requireOpen();
    return new RustDial(this.#context, spec, signal).stream;
  }

  openServerService(spec: ServerServiceSpec): ServerService {
    this.#requireOpen();
    return new RustServerService(this.#context, spec);
  }

  openClientService(spec: ClientServiceSpec): ClientService {
    this.#requireOpen();
    return new RustClientService(this.#context, spec);
  }

  stats(): EngineStats {
    return engineStats(this.#context.native.stats());
  }

  close(options: CloseOptions): Promise<void> {
    this.#closed ??= this.#end('drain', () => {
      for (const service of this.#context.services.values()) {
        void service.closeWith('drain', options);
      }
    });
    return this.#closed;
  }

  destroy(): void {
    const destroyServices = (): void => {
      for (const service of this.#context.services.values()) service.destroy();
    };
    this.#closed ??= this.#end('destroyed', destroyServices);
    destroyServices();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  async #end(reason: EndReason, endServices: () => void): Promise<void> {
    const context = this.#context;
    const { services, listeners, streams, dials, sessions, events, native } = context;
    context.hold();
    for (const dial of [...dials.values()]) dial.abort();
    // Calls are carried out one after the other: who can reach a public address no more must not
    // reach the tunnel either.
    native.stopAccepting();
    // Services first: their sessions end as theirs, then the listeners take what is still unknown.
    const ends = [...services.values()].map(({ closed }) => closed);
    endServices();
    for (const listener of [...listeners.values()]) ends.push(listener.closeWith(reason));
    for (const stream of [...streams.values()]) stream.destroy(reason);
    await Promise.all(ends);
    try {
      native.shutdown();
    } catch (error) {
      events.fault('shutdown', error);
    }
    takeUpcalls(context);
    // What a fault has left without an answer.
    for (const listener of [...listeners.values()]) listener.onClosed();
    for (const session of [...sessions.values()]) session.onEnded(reason);
    for (const stream of [...streams.values()]) stream.onEnded(reason, Buffer.alloc(0));
    events.flush();
    context.release();
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) {
      throw new WarrenError('WARREN_E_STATE', 'the engine is closed');
    }
  }
}
