/**
 * A service on a server: couples a session, a public address and the front that pairs visitors
 * (wire-v1 W8, W9). The address is bound while a session is attached.
 */
import { formatAddress } from '../config/address.ts';
import type {
  CloseOptions,
  ServerService,
  ServerServiceChange,
  ServerSession,
} from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { HostPort, ServerRoutine, ServerServiceSpec, SocketAddress } from '../engine/spec.ts';
import type { ServiceStats } from '../engine/stats.ts';
import { errorText, WarrenError } from '../errors.ts';
import type { DataplaneContext } from './context.ts';
import { ServiceCounters } from './counters.ts';
import { closeWithin } from './deadline.ts';
import type { FrontOptions, ServiceFront } from './front.ts';
import { refuseSession } from './own-stream.ts';
import { RunningServerSession } from './server-session.ts';
import type { SessionReuse } from './server-uses.ts';
import { TcpFront } from './tcp-front.ts';
import { UdpFront } from './udp-front.ts';

export class TypescriptServerService implements ServerService {
  readonly #context: DataplaneContext;
  readonly #spec: ServerServiceSpec;
  readonly #counters = new ServiceCounters();
  readonly #front: ServiceFront;
  readonly #removed: () => void;
  #bindTo: HostPort;
  #nodelay: boolean | undefined;
  #session: RunningServerSession | undefined;
  /** Of the newest session; a channel is only ever put to use while there has been one. */
  #start: Uint8Array = new Uint8Array(0);
  /** Where requested channels are expected from. */
  #expectedFrom: string | undefined;
  /** Counts binds and unbinds, so that one that was overtaken knows it. */
  #bindTurn = 0;
  #binding: Promise<void> = Promise.resolve();
  #bindRetry: NodeJS.Timeout | undefined;
  #bound = false;
  #closed: Promise<void> | undefined;
  /** The session that `close` ended, while its control channel may still say so. */
  #leaving: RunningServerSession | undefined;

  constructor(context: DataplaneContext, spec: ServerServiceSpec, removed: () => void) {
    this.#context = context;
    this.#spec = spec;
    this.#removed = removed;
    this.#bindTo = spec.bind;
    this.#nodelay = spec.nodelay;
    const options: FrontOptions = {
      service: spec.name,
      counters: this.#counters,
      request: (count) => this.#session?.request(count) ?? false,
      expect: (change) => this.#expect(change),
      start: () => this.#start,
      reuse: () => this.#reuse(),
      nodelay: () => this.#nodelay,
    };
    this.#front =
      spec.type === 'tcp' ? new TcpFront(context, options) : new UdpFront(context, options);
  }

  get address(): SocketAddress | undefined {
    return this.#front.address;
  }

  attach(session: ServerSession): void {
    if (this.#closed !== undefined) {
      refuseSession(this.#context, session);
      return;
    }
    const old = this.#session;
    this.#session = undefined;
    if (old !== undefined) {
      this.#front.sessionEnded();
      old.end('replaced');
    }
    this.#start = session.routine.start;
    this.#expectedFrom = session.control.peer.host;
    this.#session = new RunningServerSession(this.#context, session, {
      channel: (link) => this.#front.channel(link),
      ended: (which) => this.#onSessionEnd(which),
    });
    if (!this.#bound) this.#bind();
    this.#front.sessionStarted();
  }

  resume(routine: ServerRoutine): void {
    const session = this.#session;
    if (session === undefined || !session.suspended) {
      throw new WarrenError('WARREN_E_STATE', 'no session is suspended');
    }
    session.resume(routine);
    this.#front.sessionStarted();
  }

  update(change: ServerServiceChange): void {
    if ('nodelay' in change) this.#nodelay = change.nodelay;
    if (change.routine !== undefined) {
      this.#start = change.routine.start;
      this.#session?.setRoutine(change.routine);
    }
    if (change.bind !== undefined) {
      this.#bindTo = change.bind;
      if (this.#bound) {
        this.#unbind();
        this.#bind();
      }
    }
  }

  detach(reason: EndReason): void {
    this.#session?.end(reason);
  }

  close(options: CloseOptions): Promise<void> {
    return this.closeWith('service_closed', options);
  }

  /** `reason` is that of the session and of the visitors that wait. */
  closeWith(reason: EndReason, { deadlineMs }: CloseOptions): Promise<void> {
    if (this.#closed === undefined) {
      this.#endAll(reason);
      const ended = Promise.all([this.#front.drained(), this.#leaving?.gone]).then(() => undefined);
      this.#closed = closeWithin(deadlineMs, ended, () => {
        this.#leaving?.cut();
        this.#front.destroy('drain');
      })
        .then(() => this.#binding)
        .finally(this.#removed);
    }
    return this.#closed;
  }

  destroy(): void {
    this.#endAll('destroyed');
    this.#leaving?.cut();
    this.#front.destroy('destroyed');
    this.#closed ??= this.#binding.finally(this.#removed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  stats(): ServiceStats {
    return this.#counters.snapshot(this.#spec.name, this.#spec.type, this.#front.levels);
  }

  #endAll(reason: EndReason): void {
    const session = this.#session;
    this.#session = undefined;
    this.#leaving = session ?? this.#leaving;
    this.#front.sessionEnded();
    session?.end(reason);
    this.#unbind();
    this.#front.endWaiting(reason);
  }

  #reuse(): SessionReuse | undefined {
    const session = this.#session;
    const rules = session?.reuse;
    return session === undefined || rules === undefined ? undefined : { rules, uses: session.uses };
  }

  #onSessionEnd(session: RunningServerSession): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#front.sessionEnded();
    this.#unbind();
    this.#front.endWaiting('session_end');
  }

  #expect(change: number): void {
    if (this.#expectedFrom !== undefined && change !== 0) {
      this.#context.admission.expect(this.#expectedFrom, change);
    }
  }

  #bind(attempt = 1): void {
    this.#bound = true;
    this.#bindTurn += 1;
    const turn = this.#bindTurn;
    const to = this.#bindTo;
    this.#enqueue(async () => {
      if (turn !== this.#bindTurn) return;
      try {
        await this.#front.bind(to);
      } catch (error) {
        if (turn === this.#bindTurn) this.#bindFailed(to, attempt, error);
        return;
      }
      const { address } = this.#front;
      if (turn !== this.#bindTurn) await this.#front.unbind();
      else if (address !== undefined) {
        this.#context.event({ type: 'bound', service: this.#spec.name, address });
      }
    });
  }

  #bindFailed(to: HostPort, attempt: number, error: unknown): void {
    const cause = error instanceof WarrenError ? error.cause : error;
    this.#context.event({
      type: 'bind_failed',
      service: this.#spec.name,
      address: formatAddress(to),
      error: errorText(cause),
      attempt,
    });
    this.#bindRetry = setTimeout(() => this.#bind(attempt + 1), this.#context.limits.bindRetryMs);
  }

  #unbind(): void {
    clearTimeout(this.#bindRetry);
    this.#bound = false;
    this.#bindTurn += 1;
    this.#enqueue(() => this.#front.unbind());
  }

  /** Binds and unbinds one after the other: an address must be free before it is taken again. */
  #enqueue(work: () => Promise<void>): void {
    this.#binding = this.#binding.then(work);
  }
}
