/**
 * The engine in TypeScript, and with the C++ addon the one called `addon`: `ts/dataplane` on node:net,
 * node:tls and node:dgram. It runs wherever Node does and keeps the whole contract of `engine.ts`.
 * What node:net cannot set (keepalive interval, TCP_USER_TIMEOUT, congestion control) is left to the
 * Rust engine.
 */
import { TypescriptClientService } from '../dataplane/client-service.ts';
import { DataplaneContext } from '../dataplane/context.ts';
import { TypescriptControlStream } from '../dataplane/control-stream.ts';
import { dialTunnel } from '../dataplane/dial-tunnel.ts';
import { EventBatch } from '../dataplane/event-batch.ts';
import { type AddonBinding, RelayThread } from '../dataplane/relay-thread.ts';
import { TypescriptServerService } from '../dataplane/server-service.ts';
import { TypescriptTunnelListener } from '../dataplane/tunnel-listener.ts';
import { WarrenError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { TIMER_MAX_MS } from '../timers.ts';
import type {
  ClientService,
  CloseOptions,
  ControlStream,
  Engine,
  EngineName,
  EngineOptions,
  ServerService,
  TunnelHandler,
  TunnelListener,
} from './engine.ts';
import type { EndReason } from './reason.ts';
import type { ClientServiceSpec, DialSpec, ServerServiceSpec, TunnelListenSpec } from './spec.ts';
import type { EngineStats } from './stats.ts';

export class TypescriptEngine implements Engine {
  readonly name: EngineName;
  readonly #context: DataplaneContext;
  readonly #listeners = new Set<TypescriptTunnelListener>();
  readonly #services = new Set<TypescriptServerService | TypescriptClientService>();
  readonly #held = new Set<TypescriptControlStream>();
  readonly #dials = new Set<AbortController>();
  readonly #relays: RelayThread | undefined;
  #closed: Promise<void> | undefined;

  /**
   * `addon`: relays plain tcp from now on.
   * @throws Error where the system refuses it a thread
   */
  constructor(options: EngineOptions = {}, addon?: AddonBinding) {
    const limits = withinTimers({ ...DEFAULT_LIMITS, ...options.limits });
    const batch = new EventBatch(options.events);
    this.#context = new DataplaneContext(limits, options.accessLog ?? false, batch);
    this.name = addon === undefined ? 'typescript' : 'addon';
    this.#relays = addon === undefined ? undefined : new RelayThread(addon, this.#context);
    if (this.#relays !== undefined) this.#context.startRelay = this.#relays.start;
  }

  async listen(spec: TunnelListenSpec, handler: TunnelHandler): Promise<TunnelListener> {
    this.#requireOpen();
    const listener = await TypescriptTunnelListener.open(this.#context, spec, handler);
    if (this.#closed !== undefined) {
      listener.destroy();
      this.#requireOpen();
    }
    this.#listeners.add(listener);
    void listener.closed.then(() => this.#listeners.delete(listener));
    return listener;
  }

  async dial(spec: DialSpec, signal: AbortSignal): Promise<ControlStream> {
    this.#requireOpen();
    // Not AbortSignal.any: it keeps memory for each attempt as long as the engine lives.
    const abort = new AbortController();
    const onAbort = (): void => abort.abort();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) abort.abort();
    this.#dials.add(abort);
    const { links, limits } = this.#context;
    const link = await dialTunnel(
      spec,
      { links, timeoutMs: limits.dialTimeoutMs, nodelay: true },
      abort.signal,
    ).finally(() => {
      this.#dials.delete(abort);
      signal.removeEventListener('abort', onAbort);
    });
    const stream: TypescriptControlStream = new TypescriptControlStream(link, {
      lingerMs: this.#context.limits.lingerMs,
      unread: new Uint8Array(0),
      settled: () => {},
      ended: () => this.#held.delete(stream),
    });
    this.#held.add(stream);
    return stream;
  }

  openServerService(spec: ServerServiceSpec): ServerService {
    this.#requireOpen();
    const service: TypescriptServerService = new TypescriptServerService(this.#context, spec, () =>
      this.#services.delete(service),
    );
    this.#services.add(service);
    return service;
  }

  openClientService(spec: ClientServiceSpec): ClientService {
    this.#requireOpen();
    const service: TypescriptClientService = new TypescriptClientService(this.#context, spec, () =>
      this.#services.delete(service),
    );
    this.#services.add(service);
    return service;
  }

  stats(): EngineStats {
    this.#relays?.settle();
    return {
      services: [...this.#services].map((service) => service.stats()),
      unauthenticated: this.#context.admission.unauthenticated,
      tunnelRejected: { ...this.#context.tunnelRejected },
    };
  }

  close(options: CloseOptions): Promise<void> {
    this.#closed ??= this.#end('drain', options);
    return this.#closed;
  }

  destroy(): void {
    this.#closed ??= this.#end('destroyed', { deadlineMs: 0 });
    for (const service of [...this.#services]) service.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  async #end(reason: EndReason, options: CloseOptions): Promise<void> {
    for (const dial of [...this.#dials]) dial.abort();
    const ends: Promise<void>[] = [];
    // Services first: their sessions end as theirs, then the listeners take what is still unknown.
    for (const service of [...this.#services]) ends.push(service.closeWith(reason, options));
    for (const listener of this.#listeners) ends.push(listener.closeWith(reason));
    for (const stream of [...this.#held]) stream.destroy(reason);
    await Promise.all(ends);
    await this.#context.links.destroyAll();
    await this.#relays?.close();
    this.#context.batch.flush();
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) {
      throw new WarrenError('WARREN_E_STATE', 'the engine is closed');
    }
  }
}

/** `Infinity` is never, and 24 days are as good as that: a longer timer would fire at once. */
function withinTimers(limits: Limits): Limits {
  const entries = Object.entries(limits).map(([name, value]) => [
    name,
    name.endsWith('Ms') ? Math.min(value, TIMER_MAX_MS) : value,
  ]);
  return Object.fromEntries(entries) as Limits;
}
