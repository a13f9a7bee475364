/** The client: keeps one session per service with the server. Composition only. */
import { formatAddress } from '../config/address.ts';
import type { ClientConfig } from '../config/config.ts';
import { diffClientConfig, isEmptyDiff, renderDiff } from '../config/diff.ts';
import { type ClientOptions, clientConfig } from '../config/options.ts';
import { renewedTransport } from '../config/tls-tables.ts';
import { warnOfClearTransport } from '../control/clear-transport.ts';
import { Gate } from '../control/gate.ts';
import { RoleBase, type RoleOptions } from '../control/role.ts';
import { dialChange, dialSpec } from '../control/transport.ts';
import type { CloseOptions, Engine } from '../engine/engine.ts';
import type { EngineFacts } from '../engine/select.ts';
import type { DialSpec } from '../engine/spec.ts';
import type { EngineStats } from '../engine/stats.ts';
import { WarrenError } from '../errors.ts';
import { ServiceSession } from './service-session.ts';

/**
 * Below a server's cap on unauthenticated connections of one address, with room for others there.
 */
const HANDSHAKES_AT_ONCE = 32;

/** A running client. `start` once, `reload` at will, then `close` or `destroy`. */
export class Client implements AsyncDisposable {
  readonly #role: RoleBase;
  readonly #services = new Map<string, ServiceSession>();
  readonly #gate = new Gate(HANDSHAKES_AT_ONCE);
  #config: ClientConfig;
  #dial: DialSpec | undefined;
  #engine: Engine | undefined;
  #state: 'new' | 'started' | 'closed' = 'new';

  /** @throws WARREN_E_CONFIG for options that cannot work. */
  constructor(config: ClientConfig | ClientOptions, options: RoleOptions = {}) {
    this.#config = isChecked(config) ? config : clientConfig(config);
    this.#role = new RoleBase(options);
  }

  /**
   * Resolves when every service has begun to connect; a server that is not there yet is no error.
   * @throws WARREN_E_ENGINE, WARREN_E_STATE
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new WarrenError('WARREN_E_STATE', 'start once');
    this.#state = 'started';
    const { remoteAddr, transport } = this.#config;
    const dial = dialSpec(this.#config);
    this.#dial = dial;
    const engine = await this.#role.openEngine();
    if (this.#isClosed()) {
      engine.destroy();
      return;
    }
    this.#engine = engine;
    warnOfClearTransport(this.#role.log, remoteAddr, transport);
    for (const service of this.#config.services.values()) this.#open(service.name, dial);
    this.#role.log.info(
      { server: formatAddress(remoteAddr), services: this.#services.size },
      'connecting to the server',
    );
  }

  /** Which one runs, and why not a faster one; undefined before `start`. */
  get engine(): EngineFacts | undefined {
    return this.#role.engineFacts;
  }

  /** Whether this service has an authenticated session now. */
  isConnected(name: string): boolean {
    return this.#services.get(name)?.connected ?? false;
  }

  stats(): EngineStats {
    return this.#requireEngine().stats();
  }

  /** As `Server.reload`. @throws WARREN_E_STATE */
  async reload(config: ClientConfig | ClientOptions): Promise<void> {
    const next = isChecked(config) ? config : clientConfig(config);
    this.#requireEngine();
    await this.#role.inTurn(async () => this.#reload(next));
  }

  /**
   * Reads the files of `transport.tls` again. Connections from now on use them, sessions go on.
   * @throws WARREN_E_CONFIG with what is wrong with them, and nothing changes; WARREN_E_STATE
   */
  async reloadCredentials(): Promise<void> {
    this.#requireEngine();
    await this.#role.inTurn(async () => {
      const { transport } = this.#config;
      this.#reload({ ...this.#config, transport: renewedTransport('client', transport) });
    });
  }

  async close(options: CloseOptions): Promise<void> {
    this.#state = 'closed';
    for (const service of this.#services.values()) service.announceClose(options.deadlineMs);
    await this.#engine?.close(options);
    this.#role.sampled.close();
  }

  destroy(): void {
    this.#state = 'closed';
    for (const service of this.#services.values()) service.stop();
    this.#engine?.destroy();
    this.#role.sampled.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  #open(name: string, dial: DialSpec): void {
    const engine = this.#requireEngine();
    const config = this.#config.services.get(name);
    if (config === undefined) return;
    const { log, sampled, limits } = this.#role;
    const session = new ServiceSession({
      engine,
      log,
      sampled,
      gate: this.#gate,
      dial,
      config,
      heartbeatTimeoutMs: this.#config.heartbeatTimeoutMs,
      channels: this.#config.channels,
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
    });
    this.#services.set(name, session);
    session.start();
  }

  #reload(next: ClientConfig): void {
    if (this.#state === 'closed') return;
    const { log } = this.#role;
    const before = this.#config;
    const diff = diffClientConfig(before, next);
    if (isEmptyDiff(diff)) {
      log.info({}, 'configuration reloaded, nothing changed');
      return;
    }
    log.info({ plan: renderDiff(diff) }, 'applying the changed configuration');
    const dial = this.#dialOf(next);
    warnOfClearTransport(log, next.remoteAddr, next.transport, before.transport);
    this.#config = next;
    for (const name of diff.removed) this.#close(name);
    for (const { name } of diff.changed) this.#change(name, before, dial);
    for (const name of diff.added) this.#open(name, dial);
    if (diff.general.length > 0 || diff.renewed.length > 0) {
      for (const service of this.#services.values()) {
        const { heartbeatTimeoutMs, channels } = next;
        service.reconfigure({ dial, heartbeatTimeoutMs, channels });
      }
    }
    log.info({ services: next.services.size }, 'configuration applied');
  }

  /** The same object for the same way to dial: engines keep TLS sessions with it. */
  #dialOf(config: ClientConfig): DialSpec {
    const before = this.#dial;
    const now = dialSpec(config);
    this.#dial = before !== undefined && dialChange(before, now) === 'none' ? before : now;
    return this.#dial;
  }

  #change(name: string, before: ClientConfig, dial: DialSpec): void {
    const config = this.#config.services.get(name);
    const session = this.#services.get(name);
    if (config === undefined || session === undefined) return;
    if (before.services.get(name)?.type === config.type) {
      session.reconfigure({ config });
      return;
    }
    this.#close(name);
    this.#open(name, dial);
  }

  #close(name: string): void {
    const session = this.#services.get(name);
    this.#services.delete(name);
    void session?.close({ deadlineMs: Number.POSITIVE_INFINITY });
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #requireEngine(): Engine {
    if (this.#engine === undefined || this.#isClosed()) {
      throw new WarrenError('WARREN_E_STATE', 'the client is not running');
    }
    return this.#engine;
  }
}

function isChecked(config: ClientConfig | ClientOptions): config is ClientConfig {
  return typeof config.remoteAddr !== 'string';
}
