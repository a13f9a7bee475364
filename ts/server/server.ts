/**
 * The server: accepts clients and exposes their services. Composition only: the handshake is in
 * `control/`, the bytes are in the engine.
 */
import { formatAddress, overlap } from '../config/address.ts';
import type { ServerConfig } from '../config/config.ts';
import { type ConfigDiff, diffServerConfig, isEmptyDiff, renderDiff } from '../config/diff.ts';
import { type ServerOptions, serverConfig } from '../config/options.ts';
import { renewedTransport } from '../config/tls-tables.ts';
import { warnOfClearTransport } from '../control/clear-transport.ts';
import { RoleBase, type RoleOptions } from '../control/role.ts';
import { HELLO_RULE } from '../control/routines.ts';
import { listenTransport } from '../control/transport.ts';
import type { CloseOptions, Engine, TunnelListener } from '../engine/engine.ts';
import type { EngineFacts } from '../engine/select.ts';
import type { SocketAddress } from '../engine/spec.ts';
import type { EngineStats } from '../engine/stats.ts';
import { errorText, WarrenError } from '../errors.ts';
import { sleep } from '../sleep.ts';
import { acceptControl } from './accept-control.ts';
import { ServiceRegistry } from './service-registry.ts';

interface Running {
  readonly engine: Engine;
  listener: TunnelListener;
  readonly services: ServiceRegistry;
}

/** A running server. `start` once, `reload` at will, then `close` or `destroy`. */
export class Server implements AsyncDisposable {
  readonly #role: RoleBase;
  #config: ServerConfig;
  #running: Running | undefined;
  #state: 'new' | 'started' | 'closed' = 'new';
  readonly #stopped = new AbortController();

  /** @throws WARREN_E_CONFIG for options that cannot work. */
  constructor(config: ServerConfig | ServerOptions, options: RoleOptions = {}) {
    this.#config = isChecked(config) ? config : serverConfig(config);
    this.#role = new RoleBase(options);
  }

  /**
   * Resolves when clients can connect.
   * @throws WARREN_E_BIND, WARREN_E_ENGINE, WARREN_E_STATE
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new WarrenError('WARREN_E_STATE', 'start once');
    this.#state = 'started';
    const engine = await this.#role.openEngine();
    if (this.#isClosed()) {
      engine.destroy();
      return;
    }
    try {
      const services = new ServiceRegistry(engine, this.#role.log, this.#config);
      const listener = await this.#listen(engine, this.#config, services);
      this.#running = { engine, listener, services };
      const { bindAddr, transport } = this.#config;
      warnOfClearTransport(this.#role.log, bindAddr, transport);
    } catch (error) {
      engine.destroy();
      throw error;
    }
    if (this.#isClosed()) engine.destroy();
  }

  /** Where clients connect; undefined before `start`. */
  get address(): SocketAddress | undefined {
    return this.#running?.listener.address;
  }

  /** Where visitors of a service connect; undefined while no client has it. */
  serviceAddress(name: string): SocketAddress | undefined {
    return this.#running?.services.get(name)?.engineService.address;
  }

  /** Which one runs, and why not a faster one; undefined before `start`. */
  get engine(): EngineFacts | undefined {
    return this.#role.engineFacts;
  }

  stats(): EngineStats {
    return this.#requireRunning().engine.stats();
  }

  /**
   * Applies another configuration; running tcp visitors are never cut. Logs the plan and what was
   * done. What cannot be had (an address in use) is logged and stays as it was; reloads run in
   * turn.
   * @throws WARREN_E_CONFIG; WARREN_E_STATE before `start` and after `close`
   */
  async reload(config: ServerConfig | ServerOptions): Promise<void> {
    const next = isChecked(config) ? config : serverConfig(config);
    this.#requireRunning();
    await this.#role.inTurn(() => this.#reload(next));
  }

  /**
   * Reads the files of `transport.tls` again. Connections from now on use them, nothing is cut.
   * @throws WARREN_E_CONFIG with what is wrong with them, and nothing changes; WARREN_E_STATE
   */
  async reloadCredentials(): Promise<void> {
    this.#requireRunning();
    await this.#role.inTurn(async () => {
      const { transport } = this.#config;
      await this.#reload({ ...this.#config, transport: renewedTransport('server', transport) });
    });
  }

  /** Stops accepting, lets visitors finish until the deadline, then aborts them. */
  async close(options: CloseOptions): Promise<void> {
    this.#state = 'closed';
    this.#stopped.abort();
    this.#running?.services.announceClose(options.deadlineMs);
    await this.#role.engine?.close(options);
    this.#role.sampled.close();
  }

  /** Aborts everything now. */
  destroy(): void {
    this.#state = 'closed';
    this.#stopped.abort();
    this.#role.engine?.destroy();
    this.#role.sampled.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  async #listen(
    engine: Engine,
    config: ServerConfig,
    services: ServiceRegistry,
  ): Promise<TunnelListener> {
    const spec = {
      bind: config.bindAddr,
      transport: listenTransport(config),
      hello: HELLO_RULE,
    };
    const { log, sampled, limits } = this.#role;
    const { handshakeTimeoutMs } = limits;
    const listener = await engine.listen(spec, {
      control: (digest, stream) => {
        void acceptControl({ digest, stream, services, log, sampled, handshakeTimeoutMs });
      },
    });
    log.info({ address: formatAddress(listener.address) }, 'listening for clients');
    return listener;
  }

  async #reload(next: ServerConfig): Promise<void> {
    const running = this.#running;
    if (running === undefined || this.#isClosed()) return;
    const { log } = this.#role;
    const diff = diffServerConfig(this.#config, next);
    if (isEmptyDiff(diff)) {
      log.info({}, 'configuration reloaded, nothing changed');
      return;
    }
    log.info({ plan: renderDiff(diff) }, 'applying the changed configuration');
    warnOfClearTransport(log, next.bindAddr, next.transport, this.#config.transport);
    // First what goes: the tunnel's new address may be that of a service that is removed.
    running.services.remove(diff);
    const applied = await this.#applyGeneral(running, diff, next);
    if (this.#isClosed()) return;
    running.services.apply(next, diff);
    this.#config = applied;
    const fields = { services: next.services.size };
    if (applied === next) log.info(fields, 'configuration applied');
    else log.error({ ...fields, except: 'bind_addr, transport' }, 'configuration applied in part');
  }

  /** Listener changes. Gives what is in effect then: an address or a type may have to stay. */
  async #applyGeneral(
    running: Running,
    diff: ConfigDiff,
    next: ServerConfig,
  ): Promise<ServerConfig> {
    const isMoved = diff.general.some(({ key }) => key === 'bind_addr');
    const before = this.#config;
    const { engine, services, listener: old } = running;
    const isSameType = before.transport.type === next.transport.type;
    if (!isMoved && isSameType) {
      // An update ends what peers remember of TLS sessions: only where there is something new.
      if (changesTransport(diff)) old.update(listenTransport(next));
      return next;
    }
    const { log } = this.#role;
    // One port cannot be had twice. Else the new one comes first: one that is taken costs nothing.
    const was = old.address;
    const wanted = isMoved ? next : { ...next, bindAddr: was };
    const inPlace = overlap(was, wanted.bindAddr) !== 'none';
    const address = formatAddress(wanted.bindAddr);
    if (inPlace) await old.close({ deadlineMs: 0 });
    try {
      running.listener = await this.#listen(engine, wanted, services);
      log.info(
        { address },
        isMoved
          ? 'listener moved: clients have to come to the new address'
          : 'transport changed: clients have to come with the new one',
      );
      if (!inPlace) await old.close({ deadlineMs: 0 });
      return next;
    } catch (error) {
      log.error({ address, error: errorText(error) }, 'listener not moved, the old address stays');
      const transport = isSameType ? next.transport : before.transport;
      const stays = { ...next, bindAddr: before.bindAddr, transport };
      if (inPlace) await this.#listenAgain(running, { ...stays, bindAddr: was });
      else old.update(listenTransport(stays));
      return stays;
    }
  }

  /**
   * The old address was given up for one that could not be had: back to it, however long it takes.
   */
  async #listenAgain(running: Running, config: ServerConfig): Promise<void> {
    for (;;) {
      try {
        running.listener = await this.#listen(running.engine, config, running.services);
        return;
      } catch (error) {
        if (this.#isClosed()) return;
        const address = formatAddress(config.bindAddr);
        this.#role.sampled.error(
          { address, error: errorText(error) },
          'not listening for clients, will retry',
        );
        await sleep(this.#role.limits.bindRetryMs, this.#stopped.signal);
      }
    }
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #requireRunning(): Running {
    const running = this.#running;
    if (running === undefined || this.#isClosed())
      throw new WarrenError('WARREN_E_STATE', 'the server is not running');
    return running;
  }
}

function changesTransport({ general, renewed }: ConfigDiff): boolean {
  return renewed.length > 0 || general.some(({ key }) => key.startsWith('transport.'));
}

function isChecked(config: ServerConfig | ServerOptions): config is ServerConfig {
  return typeof config.bindAddr !== 'string';
}
