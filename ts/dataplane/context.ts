/** What every part of one TypeScript engine shares. Nothing here is global to the process. */
import type { EngineEvent } from '../engine/events.ts';
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';
import type { Limits } from '../limits.ts';
import { Admission } from './admission.ts';
import { countReason, type ReasonCounts } from './counters.ts';
import { Descriptors } from './descriptors.ts';
import type { EventBatch } from './event-batch.ts';
import type { Link } from './link.ts';
import { OpenLinks } from './open-links.ts';

/** Takes a data channel that showed its session key; it decides from then on. */
export type ChannelTaker = (link: Link) => void;

export class DataplaneContext {
  readonly limits: Limits;
  readonly accessLog: boolean;
  readonly batch: EventBatch;
  readonly admission: Admission;
  readonly links: OpenLinks = new OpenLinks();
  readonly descriptors: Descriptors = new Descriptors();
  readonly tunnelRejected: ReasonCounts = {};
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

  rejectTunnel(reason: EndReason, peer: SocketAddress): void {
    countReason(this.tunnelRejected, reason);
    // The control plane refused this one itself, and knows more about it than we do.
    if (reason === 'refused_auth') return;
    this.event({ type: 'tunnel_rejected', reason, peer, count: 1 });
  }
}

/** A session key as a map key. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
