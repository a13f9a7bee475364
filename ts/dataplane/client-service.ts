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
import type { Origin } from './origin.ts';
import { refuseSession } from './own-stream.ts';
import { ReusableChannel } from './reusable-channel.ts';
import { TcpLocals } from './tcp-locals.ts';
import { UdpCarrier } from './udp-carrier.ts';
import { WaitingChannel } from './waiting-channel.ts';

const NOTHING = new Uint8Array(0);

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
  /** Channels that wait for a start: for their first, or for another one. */
  readonly #waiting = new Set<WaitingChannel | ReusableChannel>();
  /** Reusable ones that are in use, or on their way back. */
  readonly #reused = new Set<ReusableChannel>();
  readonly #removed: () => void;
  #spec: ClientServiceSpec;
  #attached: Attached | undefined;
  #closed: Promise<void> | undefined;
  /** The session that `close` ended, while its control channel may still say so. */
  #leaving: RunningClientSession | undefined;
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
      this.#leaving = this.#attached?.running;
      this.detach(reason);
      const all = Promise.all([drained, this.#leaving?.gone]).then(() => this.#endReused());
      this.#closed = closeWithin(deadlineMs, all, () => this.#abortAll('drain')).finally(
        this.#removed,
      );
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
    this.#leaving?.cut();
    for (const channel of [...this.#waiting]) channel.end(reason);
    this.#carrier.destroy(reason);
  }

  #opened(running: RunningClientSession, link: Link): void {
    if (running.ended || this.#closed !== undefined) {
      link.destroy();
      return;
    }
    const { routine } = running;
    const channel = new WaitingChannel(link, {
      routine,
      reuse: this.#spec.type === 'tcp' ? routine.reuse : undefined,
      started: (which, rest) => {
        this.#waiting.delete(which);
        this.#carry(which.link, rest);
        this.#checkEmpty();
      },
      startedReuse: (which, rest) => {
        this.#waiting.delete(which);
        this.#reuse(running, which.link, rest);
      },
      ended: (which, reason, error) => this.#onWaitingEnd(which, reason, error),
    });
    this.#waiting.add(channel);
  }

  /** From now on it carries one visitor after the other. */
  #reuse(running: RunningClientSession, link: Link, rest: Uint8Array): void {
    const { links, limits } = this.#context;
    new ReusableChannel(link, rest, {
      links,
      settleMs: limits.channelSettleMs,
      freeMs: limits.halfCloseIdleMs,
      uses: running.uses,
      waits: (channel, wasUsed) => {
        this.#reused.delete(channel);
        this.#waiting.add(channel);
        if (!running.ended) return;
        if (wasUsed) channel.end('session_end');
        else this.#endLater([channel]);
      },
      started: (channel, use, origin) => {
        this.#waiting.delete(channel);
        this.#reused.add(channel);
        this.#carry(use, NOTHING, origin);
        this.#checkEmpty();
      },
      ended: (channel, reason) => {
        this.#reused.delete(channel);
        if (reason === undefined) this.#waiting.delete(channel);
        else this.#onWaitingEnd(channel, reason);
        this.#checkEmpty();
      },
    });
  }

  /** Those whose visitors have gone. */
  #endReused(): void {
    for (const channel of [...this.#reused]) channel.destroy();
  }

  /** A server that asks for more than we may hold gets what fits (wire-v1 W14). */
  #create(dialer: ChannelDialer, count: number): void {
    const { channelsPerService } = this.#context.limits;
    const room = Math.max(0, channelsPerService - this.#waiting.size - dialer.outstanding);
    // One frame may ask for a great many: they are not counted one by one.
    if (count > room) {
      const error = `${channelsPerService} channels are held or being dialled`;
      this.#channelFailed('dial_limit', error, count - room);
    }
    dialer.create(Math.min(count, room));
  }

  #carry(link: Link, rest: Uint8Array, origin?: Origin): void {
    if (this.#carrier.size < this.#context.limits.visitorsPerService) {
      this.#carrier.carry(link, rest, origin);
      return;
    }
    this.#counters.end('visitor_limit');
    const { name, type } = this.#spec;
    this.#context.visitorRefused(name, 'visitor_limit', undefined);
    this.#context.visitorEnd({
      service: name,
      protocol: type,
      visitor: origin?.addresses?.visitor,
      bytesIn: 0,
      bytesOut: 0,
      durationMs: 0,
      reason: 'visitor_limit',
    });
    link.abort('visitor_limit');
  }

  #onWaitingEnd(
    channel: WaitingChannel | ReusableChannel,
    reason: EndReason,
    error?: string,
  ): void {
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
    if (this.#waiting.size > 0) this.#endLater([...this.#waiting]);
  }

  /** A start may be under way on one of them: the server's own end closes the others at once. */
  #endLater(orphans: readonly (WaitingChannel | ReusableChannel)[]): void {
    setTimeout(() => {
      for (const channel of orphans) channel.end('session_end');
    }, this.#context.limits.orphanGraceMs).unref();
  }

  #channelFailed(reason: EndReason, error: string | undefined, count = 1): void {
    this.#counters.end(reason, count);
    this.#context.channelFailed(this.#spec.name, reason, error, count);
  }

  #checkEmpty(): void {
    if (this.#onEmpty !== undefined && this.#waiting.size === 0 && this.#carrier.size === 0) {
      this.#onEmpty();
    }
  }
}
