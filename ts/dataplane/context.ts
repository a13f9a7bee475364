/** What every part of one TypeScript engine shares. Nothing here is global to the process. */
import type { ControlStream, SessionHandler } from '../engine/engine.ts';
import type { EngineEvent, VisitorEnd } from '../engine/events.ts';
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';
import { errorText } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { Admission } from './admission.ts';
import { countReason, type ReasonCounts } from './counters.ts';
import { Descriptors } from './descriptors.ts';
import type { EventBatch } from './event-batch.ts';
import type { Link } from './link.ts';
import { OpenLinks } from './open-links.ts';
import { Relay, type StartRelay } from './relay.ts';

/** Takes a data channel that showed its session key; it decides from then on. */
export type ChannelTaker = (link: Link) => void;

/** A running session of either role, as far as its surplus is concerned. */
interface Suspendable {
  readonly suspended: boolean;
  end(reason: EndReason): void;
}

export class DataplaneContext {
  readonly limits: Limits;
  readonly accessLog: boolean;
  readonly batch: EventBatch;
  readonly admission: Admission;
  readonly links: OpenLinks = new OpenLinks((error) => this.fault('link', error));
  /** Sockets of UDP sessions that are open, all services together. */
  udpSockets = 0;
  readonly descriptors: Descriptors = new Descriptors();
  readonly tunnelRejected: ReasonCounts = {};
  /** An engine with a faster way puts it here. */
  startRelay: StartRelay = (near, far, options) => new Relay(near, far, options);
  /** Live sessions by session key (`keyText`). */
  readonly sessions: Map<string, ChannelTaker> = new Map();

  constructor(limits: Limits, accessLog: boolean, batch: EventBatch) {
    this.limits = limits;
    this.accessLog = accessLog;
    this.batch = batch;
    this.admission = new Admission(limits);
  }

  event(event: EngineEvent): void {
    this.batch.push(event);
  }

  /** A fault of ours: told, never thrown on. */
  fault(where: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.event({ type: 'fault', where, error: errorText(error), stack });
  }

  /** Hands suspended bytes up, outside of the read that brought them. */
  tellSurplus(handler: SessionHandler, control: ControlStream, session: Suspendable): void {
    setImmediate(() => {
      if (!session.suspended) return;
      try {
        handler.surplus(control);
      } catch (error) {
        this.fault('surplus handler', error);
        session.end('internal_error');
      }
    });
  }

  /** The one `ended` of a session, outside of whatever call ended it. */
  tellEnded(handler: SessionHandler, reason: EndReason): void {
    queueMicrotask(() => {
      try {
        handler.ended(reason);
      } catch (error) {
        this.fault('ended handler', error);
      }
    });
  }

  /** Data channels of a service that ended without a visitor. */
  channelFailed(service: string, reason: EndReason, error: string | undefined, count = 1): void {
    this.event({ type: 'channel_failed', service, reason, error, count });
  }

  visitorRefused(service: string, reason: EndReason, error: string | undefined): void {
    this.event({ type: 'visitor_refused', service, reason, error, count: 1 });
  }

  /** The access record; free when nobody wants it. */
  visitorEnd(facts: Omit<VisitorEnd, 'type'>): void {
    if (this.accessLog) this.event({ type: 'visitor_end', ...facts });
  }

  rejectTunnel(reason: EndReason, peer: SocketAddress, error?: string): void {
    countReason(this.tunnelRejected, reason);
    // The control plane refused this one itself, and knows more about it than we do.
    if (reason === 'refused_auth') return;
    this.event({ type: 'tunnel_rejected', reason, peer, error, count: 1 });
  }
}

/** A session key as a map key. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
