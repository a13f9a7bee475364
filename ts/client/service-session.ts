/**
 * One service of a client: connects, authenticates, hands the session to the engine, waits for its
 * end, waits a while, and again. Every wait ends at once on `stop` or a change (wire-v1 W17).
 */
import { formatAddress } from '../config/address.ts';
import type { ChannelMode, ClientServiceConfig } from '../config/config.ts';
import { type AttemptEnd, Backoff } from '../control/backoff.ts';
import type { Gate } from '../control/gate.ts';
import { clientHandshake } from '../control/handshake.ts';
import {
  type Extension,
  readAnswer,
  resumeUnlessEnded,
  sendOffer,
} from '../control/negotiation.ts';
import { clientRoutine } from '../control/routines.ts';
import { dialChange } from '../control/transport.ts';
import type { ClientService, CloseOptions, ControlStream, Engine } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { ClientRoutine, DialSpec } from '../engine/spec.ts';
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
  /** For sessions from now on. */
  readonly channels: ChannelMode;
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

type Reconfigurable = Pick<
  ServiceSessionOptions,
  'dial' | 'config' | 'heartbeatTimeoutMs' | 'channels'
>;

/** An authenticated session. */
interface Authenticated {
  readonly stream: ControlStream;
  readonly key: Uint8Array;
  extension: Extension;
}

export class ServiceSession {
  readonly #service: ClientService;
  readonly #backoff: Backoff;
  #options: ServiceSessionOptions;
  #session: Authenticated | undefined;
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
    return this.#session !== undefined;
  }

  start(): void {
    void this.#run();
  }

  /** No further attempt; a running session is the engine's to end. */
  stop(): void {
    this.#stopped = true;
    this.#attempt.abort();
  }

  /** The engine is about to close: a server that can be told hears how long visitors may take. */
  announceClose(deadlineMs: number): void {
    this.stop();
    const session = this.#session;
    if (typeof session?.extension !== 'object') return;
    this.#service.update({ routine: this.#routine(session, deadlineMs) });
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
    const { name, localAddr, nodelay, preferIpv6, retryIntervalMs } = now.config;
    this.#backoff.capMs = retryIntervalMs;
    const session = this.#session;
    const dialling = dialChange(before.dial, now.dial);
    this.#service.update({
      local: localAddr,
      nodelay,
      preferIpv6,
      ...(session === undefined ? {} : { routine: this.#routine(session) }),
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
      const session = await gate.run(() => this.#connect(signal));
      if (signal.aborted) {
        session.stream.destroy('service_closed');
        return 'again';
      }
      return await this.#attach(session);
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
  async #connect(signal: AbortSignal): Promise<Authenticated> {
    const { engine, config, dial, handshakeTimeoutMs } = this.#options;
    const stream = await engine.dial(dial, signal);
    const onAbort = (): void => stream.destroy('service_closed');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const token = config.token.reveal();
      const { name } = config;
      const { key, isMarked } = await clientHandshake(stream, name, token, handshakeTimeoutMs);
      const offers = isMarked && this.#options.channels === 'reuse';
      if (offers) sendOffer(stream);
      return { stream, key, extension: offers ? 'offered' : undefined };
    } catch (error) {
      stream.destroy('handshake_eof');
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Resolves when the session has ended. */
  async #attach(session: Authenticated): Promise<AttemptEnd> {
    const { log, config, dial } = this.#options;
    const { stream } = session;
    const since = Date.now();
    this.#session = session;
    log.info({ service: config.name, server: formatAddress(stream.peer) }, 'service connected');
    const reason = await new Promise<EndReason>((resolve) => {
      this.#service.attach({
        control: stream,
        dial,
        routine: this.#routine(session),
        handler: {
          surplus: (control) => {
            if (session.extension === 'offered') void this.#onAnswer(session);
            else control.destroy('control_data');
          },
          ended: resolve,
        },
      });
    });
    this.#session = undefined;
    const livedMs = Date.now() - since;
    const seconds = Math.round(livedMs / 1_000);
    const channels = channelsOf(session);
    log.info({ service: config.name, channels, reason, seconds }, 'service disconnected');
    return { kind: reason === 'drain' ? 'drained' : 'session', livedMs };
  }

  async #onAnswer(session: Authenticated): Promise<void> {
    const { log, config, handshakeTimeoutMs } = this.#options;
    const agreement = await readAnswer(session.stream, handshakeTimeoutMs);
    if (agreement === undefined || this.#session !== session) return;
    session.extension = agreement;
    const channels = channelsOf(session);
    log.debug({ service: config.name, channels, ...agreement }, 'data channels are reused');
    resumeUnlessEnded(() => this.#service.resume(this.#routine(session)));
  }

  /** As the configuration is now, for what the session agreed on. */
  #routine({ key, extension }: Authenticated, drainMs?: number): ClientRoutine {
    const { config, heartbeatTimeoutMs } = this.#options;
    return clientRoutine({
      type: config.type,
      sessionKey: key,
      silenceTimeoutMs: heartbeatTimeoutMs,
      extension,
      drainMs,
    });
  }
}

function channelsOf({ extension }: Authenticated): ChannelMode {
  return typeof extension === 'object' ? 'reuse' : 'v1';
}
