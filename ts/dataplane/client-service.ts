/**
 * A service on a client: opens the data channels that the session asks for, waits for each to be
 * started, and carries what it brings to the local service.
 */
import type {
  ClientService,
  ClientServiceChange,
  ClientSession,
  CloseOptions,
} from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { ClientRoutine, ClientServiceSpec } from '../engine/spec.ts';
import type { ServiceStats } from '../engine/stats.ts';
import { WarrenError } from '../errors.ts';
import { ChannelDialer } from './channel-dialer.ts';
import { RunningClientSession } from './client-session.ts';
import type { DataplaneContext } from './context.ts';
import { ServiceCounters } from './counters.ts';
import { closeWithin } from './deadline.ts';
import type { Link } from './link.ts';
import type { LocalCarrier } from './local-carrier.ts';
import { refuseSession } from './own-stream.ts';
import { TcpLocals } from './tcp-locals.ts';
import { UdpCarrier } from './udp-carrier.ts';
import { WaitingChannel } from './waiting-channel.ts';

/** That a server drops idle channels is its business (wire-v1 W44); these are ours to tell of. */
const TELLING: ReadonlySet<EndReason> = new Set([
  'type_mismatch',
  'bad_start',
  'bad_record',
  'certificate_refused',
  'tls_failed',
]);

interface Attached {
  readonly running: RunningClientSession;
  readonly dialer: ChannelDialer;
}

export class TypescriptClientService implements ClientService {
  readonly #context: DataplaneContext;
  readonly #counters = new ServiceCounters();
  readonly #carrier: LocalCarrier;
  readonly #waiting = new Set<WaitingChannel>();
  readonly #removed: () => void;
  #spec: ClientServiceSpec;
  #attached: Attached | undefined;
  #closed: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(context: DataplaneContext, spec: ClientServiceSpec, removed: () => void) {
    this.#context = context;
    this.#spec = spec;
    this.#removed = removed;
    const options = {
      context,
      counters: this.#counters,
      spec: () => this.#spec,
      empty: () => this.#checkEmpty(),
    };
    this.#carrier = spec.type === 'tcp' ? new TcpLocals(options) : new UdpCarrier(options);
  }

  attach(session: ClientSession): void {
    if (this.#closed !== undefined) {
      refuseSession(this.#context, session);
      return;
    }
    const old = this.#attached;
    this.#attached = undefined;
    old?.running.end('replaced');
    const dialer = new ChannelDialer({
      limits: this.#context.limits,
      links: this.#context.links,
      dial: session.dial,
      first: session.control.peer,
      nodelay: () => this.#spec.nodelay,
      opened: (link) => this.#opened(running, link),
      failed: (reason, error) => this.#channelFailed(reason, error),
    });
    const running: RunningClientSession = new RunningClientSession(this.#context, session, {
      create: (count) => this.#create(dialer, count),
      ended: (which) => this.#onSessionEnd(which, dialer),
    });
    this.#attached = { running, dialer };
  }

  resume(routine: ClientRoutine): void {
    const running = this.#attached?.running;
    if (running === undefined || !running.suspended) {
      throw new WarrenError('WARREN_E_STATE', 'no session is suspended');
    }
    running.resume(routine);
  }

  update(change: ClientServiceChange): void {
    const { routine, dial, ...spec } = change;
    this.#spec = { ...this.#spec, ...spec };
    if (dial !== undefined) this.#attached?.dialer.update(dial);
    if (routine !== undefined) this.#attached?.running.setRoutine(routine);
  }

  detach(reason: EndReason): void {
    this.#attached?.running.end(reason);
  }

  close(options: CloseOptions): Promise<void> {
    return this.closeWith('service_closed', options);
  }

  closeWith(reason: EndReason, { deadlineMs }: CloseOptions): Promise<void> {
    if (this.#closed === undefined) {
      const drained = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      this.#closed = closeWithin(deadlineMs, drained, () => this.#abortAll('drain')).finally(
        this.#removed,
      );
      this.detach(reason);
      this.#carrier.draining();
      this.#checkEmpty();
    }
    return this.#closed;
  }

  destroy(): void {
    void this.closeWith('destroyed', { deadlineMs: 0 });
    this.#abortAll('destroyed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ deadlineMs: 0 });
  }

  stats(): ServiceStats {
    const pool = { ready: this.#waiting.size, requested: 0, target: 0 };
    return this.#counters.snapshot(this.#spec.name, this.#spec.type, pool);
  }

  #abortAll(reason: EndReason): void {
    for (const channel of [...this.#waiting]) channel.end(reason);
    this.#carrier.destroy(reason);
  }

  #opened(running: RunningClientSession, link: Link): void {
    if (running.ended || this.#closed !== undefined) {
      link.destroy();
      return;
    }
    const channel = new WaitingChannel(link, {
      routine: running.routine,
      started: (which, rest) => {
        this.#waiting.delete(which);
        this.#carry(which.link, rest);
        this.#checkEmpty();
      },
      ended: (which, reason, error) => this.#onWaitingEnd(which, reason, error),
    });
    this.#waiting.add(channel);
  }

  /** A server that asks for more than we may hold gets what fits (wire-v1 W14). */
  #create(dialer: ChannelDialer, count: number): void {
    const { channelsPerService } = this.#context.limits;
    const room = Math.max(0, channelsPerService - this.#waiting.size - dialer.outstanding);
    for (let i = room; i < count; i++) {
      this.#channelFailed('dial_limit', `${channelsPerService} channels are held or being dialled`);
    }
    dialer.create(Math.min(count, room));
  }

  #carry(link: Link, rest: Uint8Array): void {
    if (this.#carrier.size < this.#context.limits.visitorsPerService) {
      this.#carrier.carry(link, rest);
      return;
    }
    this.#counters.end('visitor_limit');
    const { name, type } = this.#spec;
    this.#context.visitorRefused(name, 'visitor_limit', undefined);
    this.#context.visitorEnd({
      service: name,
      protocol: type,
      visitor: undefined,
      bytesIn: 0,
      bytesOut: 0,
      durationMs: 0,
      reason: 'visitor_limit',
    });
    link.abort();
  }

  #onWaitingEnd(channel: WaitingChannel, reason: EndReason, error?: string): void {
    this.#waiting.delete(channel);
    if (TELLING.has(reason)) {
      this.#channelFailed(reason, error);
    } else {
      this.#counters.end(reason);
    }
    this.#checkEmpty();
  }

  #onSessionEnd(running: RunningClientSession, dialer: ChannelDialer): void {
    dialer.close();
    if (this.#attached?.running === running) this.#attached = undefined;
    // A start may be under way on one of them: the server's own end closes the others at once.
    const orphans = [...this.#waiting];
    if (orphans.length === 0) return;
    setTimeout(() => {
      for (const channel of orphans) channel.end('session_end');
    }, this.#context.limits.orphanGraceMs).unref();
  }

  #channelFailed(reason: EndReason, error: string | undefined): void {
    this.#counters.end(reason);
    this.#context.channelFailed(this.#spec.name, reason, error);
  }

  #checkEmpty(): void {
    if (this.#onEmpty !== undefined && this.#waiting.size === 0 && this.#carrier.size === 0) {
      this.#onEmpty();
    }
  }
}
