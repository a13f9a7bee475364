/**
 * What an engine reports without being asked: rare facts for the log, and access records when they
 * were asked for. Events come in batches, at most one call per turn and at least every 100 ms while
 * there are any; within a service they are in the order in which things happened. An engine may
 * merge equal facts of one batch into one event with a `count`. A batch is bounded
 * (`EVENT_BATCH_MAX`): what does not fit is dropped and counted by an `events_lost` event.
 */
import type { EndReason } from './reason.ts';
import type { SocketAddress } from './spec.ts';

export const EVENT_BATCH_MAX = 4_096;

/** One visitor's connection or UDP session has ended. Only with `accessLog`. */
export interface VisitorEnd {
  readonly type: 'visitor_end';
  readonly service: string;
  readonly protocol: 'tcp' | 'udp';
  /** On a client undefined for a tcp visitor by wire v1, which does not carry its address. */
  readonly visitor: SocketAddress | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly reason: EndReason;
}

export type EngineEvent =
  | VisitorEnd
  /** A service's public address is bound. */
  | { readonly type: 'bound'; readonly service: string; readonly address: SocketAddress }
  /** Binding it failed; the engine tries again every `bindRetryMs` while a session is attached. */
  | {
      readonly type: 'bind_failed';
      readonly service: string;
      readonly address: string;
      readonly error: string;
      readonly attempt: number;
    }
  /**
   * Tunnel connections that were ended before they were known to be ours. Not those that the
   * control plane itself refused (`refused_auth`): these only count in the stats.
   */
  | {
      readonly type: 'tunnel_rejected';
      readonly reason: EndReason;
      readonly peer: SocketAddress | undefined;
      /** More than the reason says, where a transport's handshake failed. */
      readonly error: string | undefined;
      readonly count: number;
    }
  /** Visitors that were not served. `error` has the system's text where there is one. */
  | {
      readonly type: 'visitor_refused';
      readonly service: string;
      readonly reason: EndReason;
      readonly error: string | undefined;
      readonly count: number;
    }
  /** Data channels that ended without a visitor. */
  | {
      readonly type: 'channel_failed';
      readonly service: string;
      readonly reason: EndReason;
      readonly error: string | undefined;
      readonly count: number;
    }
  /** accept() failed (EMFILE and the like); accepting goes on after a pause. */
  | { readonly type: 'accept_failed'; readonly address: string; readonly error: string }
  /** A fault in the engine itself; it ended one connection (`internal_error`) or one action. */
  | {
      readonly type: 'fault';
      readonly where: string;
      readonly error: string;
      readonly stack: string | undefined;
    }
  | { readonly type: 'events_lost'; readonly count: number };

export type EventSink = (batch: readonly EngineEvent[]) => void;
