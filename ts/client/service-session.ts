/**
 * One service of a client: connects, authenticates, hands the session to the engine, waits for its
 * end, waits a while, and again. Every wait ends at once on `stop` or a change (wire-v1 W17).
 */
import { formatAddress } from '../config/address.ts';
import type { ClientServiceConfig } from '../config/config.ts';
import { type AttemptEnd, Backoff } from '../control/backoff.ts';
import type { Gate } from '../control/gate.ts';
import { clientHandshake } from '../control/handshake.ts';
import { clientRoutine } from '../control/routines.ts';
import { dialChange } from '../control/transport.ts';
import type { ClientService, CloseOptions, ControlStream, Engine } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { DialSpec } from '../engine/spec.ts';
import { type ErrorCode, errorText, WarrenError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { sleep } from '../sleep.ts';

export interface ServiceSessionOptions {
  readonly engine: Engine;
  readonly log: Logger;
  /** For what would be repeated for every service of a server that is away. */
  readonly sampled: Logger;
  /** Shared by all services of a client. */
  readonly gate: Gate;
  readonly dial: DialSpec;
  readonly config: ClientServiceConfig;
  readonly heartbeatTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
}

/** Nobody but an operator can mend these: asking again soon does not help (W16). */
const REFUSALS: ReadonlySet<string> = new Set<ErrorCode | EndReason>([
  'WARREN_E_REFUSED',
  'tls_failed',
  'certificate_refused',
  'noise_failed',
  'key_mismatch',
]);

type Reconfigurable = Pick<ServiceSessionOptions, 'dial' | 'config' | 'heartbeatTimeoutMs'>;

export class ServiceSession {
  readonly #service: ClientService;
  readonly #backoff: Backoff;
  #options: ServiceSessionOptions;
  #key: Uint8Array | undefined;
  #stopped = false;
  /** Ends the attempt or the wait that is under way. */
  #attempt = new AbortController();

  constructor(options: ServiceSessionOptions) {
    const { name, type, localAddr, nodelay, preferIpv6, retryIntervalMs } = options.config;
    this.#options = options;
    this.#backoff = new Backoff(retryIntervalMs);
    const spec = { name, type, local: localAddr, nodelay, preferIpv6 };
    this.#service = options.engine.openClientService(spec);
  }

  get connected(): boolean {
    return this.#key !== undefined;
  }

  start(): void {
    void this.#run();
  }

  /** No further attempt; a running session is the engine's to end. */
  stop(): void {
    this.#stopped = true;
    this.#attempt.abort();
  }

  /** Ends the session; visitors finish until the deadline. */
  close(options: CloseOptions): Promise<void> {
    this.stop();
    return this.#service.close(options);
  }

  /** Takes changes over without touching visitors; connects again only where it must. */
  reconfigure(change: Partial<Reconfigurable>): void {
    const before = this.#options;
    const now = { ...before, ...change };
    this.#options = now;
    const { name, type, localAddr, nodelay, preferIpv6, retryIntervalMs } = now.config;
    this.#backoff.capMs = retryIntervalMs;
    const routine =
      this.#key === undefined ? undefined : clientRoutine(type, this.#key, now.heartbeatTimeoutMs);
    const dialling = dialChange(before.dial, now.dial);
    this.#service.update({
      local: localAddr,
      nodelay,
      preferIpv6,
      ...(routine === undefined ? {} : { routine }),
      ...(dialling === 'renew' ? { dial: now.dial } : {}),
    });
    // What was refused before may be accepted now: no need to wait.
    if (dialling === 'renew' && !this.connected) this.#attempt.abort();
    const why = !before.config.token.equals(now.config.token)
      ? 'token changed'
      : dialling === 'reconnect'
        ? 'server address or transport changed'
        : undefined;
    if (why === undefined) return;
    now.log.info({ service: name, why }, 'connecting again');
    this.#attempt.abort();
    this.#service.detach('service_closed');
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#attempt = new AbortController();
      const { signal } = this.#attempt;
      const end = await this.#once(signal);
      if (this.#stopped) return;
      // A change ended it: the new configuration is tried at once.
      if (signal.aborted || end === 'again') continue;
      const delayMs = Math.round(this.#backoff.next(end));
      const { log, config } = this.#options;
      log.debug({ service: config.name, delayMs }, 'waiting before the next attempt');
      await sleep(delayMs, signal);
    }
  }

  async #once(signal: AbortSignal): Promise<AttemptEnd | 'again'> {
    const { config, dial, gate, sampled } = this.#options;
    try {
      const { stream, key } = await gate.run(() => this.#connect(signal));
      if (signal.aborted) {
        stream.destroy('service_closed');
        return 'again';
      }
      return await this.#attach(stream, key);
    } catch (error) {
      if (signal.aborted) return 'again';
      const reason = error instanceof WarrenError ? (error.reason ?? error.code) : 'fault';
      const server = formatAddress(dial.remote);
      const fields = { service: config.name, server, reason, error: errorText(error) };
      sampled.warn(fields, 'cannot connect to the server, will retry');
      return { kind: REFUSALS.has(reason) ? 'refused' : 'failed' };
    }
  }

  /** Dial and handshake; leaves nothing behind when it fails. */
  async #connect(signal: AbortSignal): Promise<{ stream: ControlStream; key: Uint8Array }> {
    const { engine, config, dial, handshakeTimeoutMs } = this.#options;
    const stream = await engine.dial(dial, signal);
    const onAbort = (): void => stream.destroy('service_closed');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const token = config.token.reveal();
      return { stream, key: await clientHandshake(stream, config.name, token, handshakeTimeoutMs) };
    } catch (error) {
      stream.destroy('handshake_eof');
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Resolves when the session has ended. */
  async #attach(stream: ControlStream, key: Uint8Array): Promise<AttemptEnd> {
    const { log, config, dial, heartbeatTimeoutMs } = this.#options;
    const since = Date.now();
    this.#key = key;
    log.info({ service: config.name, server: formatAddress(stream.peer) }, 'service connected');
    const reason = await new Promise<EndReason>((resolve) => {
      this.#service.attach({
        control: stream,
        dial,
        routine: clientRoutine(config.type, key, heartbeatTimeoutMs),
        handler: {
          surplus: (control) => control.destroy('control_data'),
          ended: resolve,
        },
      });
    });
    this.#key = undefined;
    const livedMs = Date.now() - since;
    const seconds = Math.round(livedMs / 1_000);
    log.info({ service: config.name, reason, seconds }, 'service disconnected');
    return { kind: 'session', livedMs };
  }
}
