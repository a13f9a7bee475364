/**
 * The services of a server, by name and by the digest that clients show; applies reloads to them.
 */
import type { ChannelMode, ServerConfig, ServerServiceConfig } from '../config/config.ts';
import type { ConfigDiff } from '../config/diff.ts';
import type { Agreement } from '../control/negotiation.ts';
import { serverRoutine } from '../control/routines.ts';
import type { Engine, ServerService } from '../engine/engine.ts';
import type { ServerRoutine } from '../engine/spec.ts';
import type { Logger } from '../log.ts';
import { serviceDigest } from '../protocol/wire.ts';

export interface RegisteredService {
  readonly engineService: ServerService;
  config: ServerServiceConfig;
  /** Counts the sessions it has had, to tell them apart in the log. */
  session: number;
  /** Of the last of them, which keeps it; undefined: one of wire v1. */
  agreement: Agreement | undefined;
}

export class ServiceRegistry {
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #byName = new Map<string, RegisteredService>();
  readonly #byDigest = new Map<string, RegisteredService>();
  #heartbeatIntervalMs: number;
  #channels: ChannelMode;

  constructor(engine: Engine, log: Logger, config: ServerConfig) {
    this.#engine = engine;
    this.#log = log;
    this.#heartbeatIntervalMs = config.heartbeatIntervalMs;
    this.#channels = config.channels;
    for (const service of config.services.values()) this.#open(service);
  }

  get(name: string): RegisteredService | undefined {
    return this.#byName.get(name);
  }

  find(digest: Uint8Array): RegisteredService | undefined {
    return this.#byDigest.get(hex(digest));
  }

  /** For sessions from now on; those that run keep what was agreed on. */
  get channels(): ChannelMode {
    return this.#channels;
  }

  /** Of the service's session; `drainMs` is told to its client when it is ended from here. */
  routine(service: RegisteredService, drainMs?: number): ServerRoutine {
    const { config, agreement } = service;
    const { type } = config;
    const heartbeatIntervalMs = this.#heartbeatIntervalMs;
    return serverRoutine({ type, heartbeatIntervalMs, agreement, drainMs });
  }

  /** The engine is about to close: clients that can be told hear how long visitors may take. */
  announceClose(deadlineMs: number): void {
    for (const service of this.#byName.values()) {
      if (service.agreement === undefined) continue;
      service.engineService.update({ routine: this.routine(service, deadlineMs) });
    }
  }

  /** Closes what the diff removes. */
  remove(diff: ConfigDiff): void {
    for (const name of diff.removed) this.#close(name);
  }

  /** Adds and changes; services that are not in the diff are not touched. */
  apply(next: ServerConfig, diff: ConfigDiff): void {
    const beat = this.#heartbeatIntervalMs !== next.heartbeatIntervalMs;
    this.#heartbeatIntervalMs = next.heartbeatIntervalMs;
    this.#channels = next.channels;
    for (const { name } of diff.changed) {
      const service = next.services.get(name);
      if (service !== undefined) this.#change(service);
    }
    for (const name of diff.added) {
      const service = next.services.get(name);
      if (service !== undefined) this.#open(service);
    }
    if (!beat) return;
    for (const service of this.#byName.values()) {
      service.engineService.update({ routine: this.routine(service) });
    }
  }

  #open(config: ServerServiceConfig): void {
    const engineService = this.#engine.openServerService({
      name: config.name,
      type: config.type,
      bind: config.bindAddr,
      nodelay: config.nodelay,
    });
    const service = { engineService, config, session: 0, agreement: undefined };
    this.#byName.set(config.name, service);
    this.#byDigest.set(hex(serviceDigest(config.name)), service);
  }

  #close(name: string): void {
    const service = this.#byName.get(name);
    if (service === undefined) return;
    this.#byName.delete(name);
    this.#byDigest.delete(hex(serviceDigest(name)));
    // Its visitors finish in their own time.
    void service.engineService.close({ deadlineMs: Number.POSITIVE_INFINITY });
  }

  #change(next: ServerServiceConfig): void {
    const service = this.#byName.get(next.name);
    if (service === undefined) return;
    const before = service.config;
    if (before.type !== next.type) {
      this.#close(next.name);
      this.#open(next);
      return;
    }
    service.config = next;
    const moved =
      before.bindAddr.host !== next.bindAddr.host || before.bindAddr.port !== next.bindAddr.port;
    service.engineService.update({
      nodelay: next.nodelay,
      ...(moved ? { bind: next.bindAddr } : {}),
    });
    if (!before.token.equals(next.token)) {
      this.#log.info({ service: next.name }, 'token changed: its client has to authenticate again');
      service.engineService.detach('service_closed');
    }
  }
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
