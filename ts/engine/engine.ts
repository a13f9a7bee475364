/**
 * The contract between the control plane and any engine.
 *
 * An engine owns every socket. It accepts, dials, reads hellos, keeps pools, pairs visitors, relays
 * and ends connections. It knows no configuration file, no token and no handshake: the control
 * plane tells it what to serve (`spec.ts`) and, after each handshake, which bytes it may send and
 * act on by itself (the routines). In steady state nothing wakes the control plane: no visitor, no
 * datagram, no heartbeat, no create command. One suite, `test/conformance`, is run over every
 * implementation.
 *
 * Words. MUST and MAY as in RFC 2119. Directions: *in* is towards the local service, *out* towards
 * the visitor. Units: milliseconds, bytes. Addresses: hosts without brackets.
 *
 * Threads. Every method is called on, and every callback comes on, the JavaScript thread. No
 * callback comes inside the call of a method, and none after the object's `close` has resolved.
 * `destroy` returns at once; the `ended` of its sessions and the last event batch MUST still
 * follow, before the promise of a later `close` resolves.
 *
 * Errors. Methods that return a promise reject with a `WarrenError` and never throw; the codes are
 * named at each. Calling a method of an object that has ended is allowed and does nothing, except
 * where a state error (`WARREN_E_STATE`) is named; `attach` on one ends the stream and the session
 * (`service_closed`). A fault inside the engine ends the connection that it happened on with
 * `internal_error`, never the process.
 *
 * Ends. Every connection ends with exactly one `EndReason`. FIN is passed on as FIN, RST as RST;
 * bytes that came before either are delivered before it as far as the other side takes them.
 * `close` is polite: nothing new is taken, what runs may finish, at `deadlineMs` the rest is
 * aborted (RST) with `drain`; it resolves when no socket is left. `deadlineMs: Infinity` waits as
 * long as it takes. `destroy` aborts now (`destroyed`). Both are idempotent, and `destroy` during a
 * `close` makes that `close` resolve. What runs is tcp visitors; the rest ends at once:
 *
 *     what ends at the call      | engine.close | service.close  | detach(r)   | session lost
 *     ---------------------------|--------------|----------------|-------------|-------------
 *     its session                | drain        | service_closed | r           | as it was lost
 *     visitors that wait         | drain        | service_closed | session_end | session_end
 *     udp visitors of a server   | drain        | service_closed | session_end | session_end
 *     udp visitors of a client   | session_end, when their channels end
 *     idle channels              | closed, without a reason of their own
 *
 * Relay (tcp). Each direction reads only while the other side takes what was read; an engine holds
 * at most one read (64 KiB; behind a transport 260 KiB) or one pipe per direction. A byte counts
 * when it has been read. After one direction has ended the other may go on; when it is silent for
 * `halfCloseIdleMs` both are aborted. Visitor and local sockets have TCP_NODELAY and keepalive of
 * 60 s; tunnel sockets as the transport and the service say, control channels always TCP_NODELAY.
 *
 * Transports. Everything above holds on every transport, byte for byte (wire-v1 section 4), with
 * these differences. A record or frame that is forged or malformed ends the connection
 * (`bad_record`), its end inside one, or a TLS end without close_notify, too (`truncated`): what
 * came before is delivered, then RST is passed on. Our half-close is FIN (noise), close_notify and
 * FIN (tls). On websocket it is a Close frame. Stock peers take that as the end of both directions
 * (wire-v1 7.12): towards a stock client it waits until its direction has ended, or has been silent
 * for `closeHoldMs`; a stock server is told at once, or who waits for the end of an answer would
 * wait for ever. Peers show in the upgrade that they are ours. An idle connection keeps no record
 * buffer. Handshakes run beside everything else: many at once delay an established flow by the time
 * of one.
 *
 * Reused channels (docs/wire.md). Where the routines of both ends have `reuse`, the data channels
 * of a tcp service carry one visitor after the other. All of the above holds for each of them; its
 * end reaches the other end with its reason: `local_refused`, `local_timeout`, `local_unreachable`,
 * `local_reset` of the client at the server, `visitor_reset` at the client, and `visitor_limit`,
 * `half_close_timeout`, `drain`, `service_closed`, `destroyed`, `internal_error` at either. The end
 * of a channel in a use is `channel_reset`; words out of their place are that, and a `bad_record`
 * of the channel. A client knows the visitor where `addresses` is agreed on (`visitor_end`). A
 * session's end leaves its uses running; their channels are closed when they are idle. `drain` of
 * the peer ends the session (`drain`). A channel whose visitor was aborted becomes idle within
 * `channelSettleMs`, or is closed.
 *
 * UDP. Frames are those of wire-v1 section 1.7, each handed to the system in one write. A payload
 * beyond 65,507 bytes is dropped, as is what exceeds `udpBacklogBytes` in a channel or a socket's
 * send queue, a reply to a visitor that has not been heard for `udpUnheardMs`, and a datagram from
 * port 0. A datagram counts when it has been sent. A malformed frame ends its channel
 * (`bad_frame`).
 */
import type { Limits } from '../limits.ts';
import type { EventSink } from './events.ts';
import type { EndReason } from './reason.ts';
import type {
  ClientRoutine,
  ClientServiceSpec,
  DialSpec,
  ServerRoutine,
  ServerServiceSpec,
  SocketAddress,
  TransportSpec,
  TunnelListenSpec,
} from './spec.ts';
import type { EngineStats } from './stats.ts';

export type EngineName = 'rust' | 'addon' | 'typescript';

export interface EngineOptions {
  /** Overrides of single limits. */
  readonly limits?: Partial<Limits>;
  /** Whether `visitor_end` events are made. Off, they cost nothing. */
  readonly accessLog?: boolean;
  readonly events?: EventSink;
  /** Of an engine that has threads of its own; by default as many as cores, at most 4. */
  readonly threads?: number;
}

export interface CloseOptions {
  readonly deadlineMs: number;
}

export interface Closable extends AsyncDisposable {
  close(options: CloseOptions): Promise<void>;
  destroy(): void;
}

/**
 * One data plane. Several may live in one process and share no state. Every method of a closed one
 * but `stats`, `close` and `destroy` fails with WARREN_E_STATE.
 */
export interface Engine extends Closable {
  readonly name: EngineName;

  /**
   * Accepts tunnel connections. Resolves when bound.
   * @throws WARREN_E_BIND with the system's error as cause.
   */
  listen(spec: TunnelListenSpec, handler: TunnelHandler): Promise<TunnelListener>;

  /**
   * Dials a server for a control channel; transport handshake included, bounded by `dialTimeoutMs`.
   * @throws WARREN_E_CONNECT with every address that was tried; WARREN_E_TRANSPORT when the server
   * (or proxy) was reached and the transport's handshake failed, with the reason (`tls_failed`,
   * `certificate_refused`, `noise_failed`, `key_mismatch`, `upgrade_refused`, `proxy_refused`,
   * `handshake_eof`, `handshake_timeout`); WARREN_E_ABORTED when `signal` fires (nothing is left
   * behind then).
   */
  dial(spec: DialSpec, signal: AbortSignal): Promise<ControlStream>;

  /** A service on a server. It binds nothing until a session is attached. */
  openServerService(spec: ServerServiceSpec): ServerService;

  /** A service on a client. It does nothing until a session is attached. */
  openClientService(spec: ClientServiceSpec): ClientService;

  /** A snapshot; cheap enough for a call every second. */
  stats(): EngineStats;
}

/**
 * Accepts tunnel connections. On each it does the transport handshake and reads the hello, under
 * `handshakeTimeoutMs` since accept and the caps on unauthenticated connections; no connection ever
 * waits for another. A data hello is matched to the session of that key, at whichever listener of
 * the engine it arrives; a control hello goes to `TunnelHandler.control`, with the deadline still
 * running.
 */
export interface TunnelListener extends Closable {
  readonly address: SocketAddress;
  /**
   * For connections accepted from now on (where the engine has threads of its own, from a moment
   * later on). The transport's type MUST stay the same.
   */
  update(transport: TransportSpec): void;
  /**
   * Stops accepting and ends the sessions whose control channel came in here (`tunnel_closed`; when
   * the whole engine closes, `drain`). Visitors that are being served are not touched: they belong
   * to their services. Resolves when the port is free.
   */
  close(options: CloseOptions): Promise<void>;
}

export interface TunnelHandler {
  /** A control hello came; the stream stands just behind it. */
  control(digest: Uint8Array, stream: ControlStream): void;
}

/**
 * A control channel as ordered bytes, whatever carries it.
 *
 * States: `held` by the control plane, which reads and writes; `attached` to a service, whose
 * routine does; `ended`. `attach` moves held -> attached, surplus bytes move attached -> held, and
 * the end comes from anywhere, once, and settles every pending read and write.
 *
 * When 4 KiB or more are unread, the peer is not read until some have been taken; what one read of
 * the system brings may exceed that once.
 */
export interface ControlStream {
  readonly peer: SocketAddress;
  /**
   * Exactly `length` bytes (1..4096), in order. One read at a time.
   * @throws WARREN_E_CONTROL_CLOSED, with the end's reason, when the stream ends first;
   * WARREN_E_STATE when it is attached.
   */
  read(length: number): Promise<Uint8Array>;
  /**
   * Resolves when the bytes are with the system.
   * @throws WARREN_E_CONTROL_CLOSED, WARREN_E_STATE.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Ends it politely: what was written is flushed, FIN is sent, what still arrives is discarded
   * until the peer's FIN or `lingerMs`, so that the last bytes are not lost to a RST (wire-v1 W38).
   */
  finish(reason: EndReason): void;
  /** Ends it now. */
  destroy(reason: EndReason): void;
}

/** Callbacks of one session. Exactly one `ended` comes, last. */
export interface SessionHandler {
  /**
   * Bytes came that the routine does not know. The routine is suspended and the stream is held
   * again, those bytes unread in it; the data channels that exist go on. The control plane answers
   * by `resume` with a new routine, or by ending the stream. `resume` gives the routine what is
   * still unread first, so the same routine over the same bytes is suspended again. A routine that
   * `update` brings meanwhile is kept, not started; creates that were due are sent after `resume`.
   */
  surplus(stream: ControlStream): void;
  /** The session is over: by the peer, by a timeout, by `replaced`, or by our own call. */
  ended(reason: EndReason): void;
}

export interface ServerSession {
  /** 32 bytes that a data hello must show. */
  readonly key: Uint8Array;
  readonly control: ControlStream;
  readonly routine: ServerRoutine;
  readonly handler: SessionHandler;
}

/**
 * A public address and the visitors that come in at it.
 *
 * It is bound while a session is attached (wire-v1 W9); a bind that fails is reported and retried.
 * A newer session takes over at once: the old one ends with `replaced`, its idle channels are
 * closed, the address stays bound, waiting visitors wait on for the new session's channels. When
 * the session ends without a newer one, the address is closed and waiting visitors end with
 * `session_end`. Visitors that are being served survive all of this.
 *
 * tcp: one visitor per data channel. A visitor is paired with the longest idle channel; if there is
 * none it waits up to `poolWaitMs`. Channels that get FIN, RST or bytes while idle are dropped and
 * replaced, never handed out. The start command goes out before any visitor byte, in one write with
 * the first of them where they are at hand. Idle channels follow demand between `poolFloor` and
 * `poolCeiling`; requested channels that do not come within `createTimeoutMs` are requested again.
 *
 * The pool's target grows when visitors empty a pool that had been full, and shrinks slowly; how is
 * the engine's affair. Reusable channels come back after each visitor: as many are kept as were in
 * use at once within the last minute, and `poolFloor` more, at most `reuseCeiling` idle ones; each
 * serves `channelUses` visitors or `channelAgeMs` at most. The one that came back last is used
 * first. Their START takes the place of the start command, once that was said.
 *
 * udp: datagrams of one visitor stay on one data channel as long as that lives; new visitors are
 * spread over those that are up by a hash of their address. Only visitors that were seen within
 * `udpIdleMs` are sent anything (W24). What cannot be queued within the limits is dropped and
 * counted. A udp visitor has no connection that could survive: the end of the session without a
 * newer one ends it (`session_end`); at `replaced` it stays and moves to the new session's
 * channels, the old ones are closed at once.
 */
export interface ServerService extends Closable {
  /** Undefined while not bound. */
  readonly address: SocketAddress | undefined;
  /** Takes the session over; the control stream MUST be held and the handshake complete. */
  attach(session: ServerSession): void;
  /** After `surplus`: takes the stream back. @throws WARREN_E_STATE without a suspended session. */
  resume(routine: ServerRoutine): void;
  /**
   * Changes in place: the routine of the attached session, the address (the old listener closes,
   * its visitors stay), nodelay (of channels put to use from now on).
   */
  update(change: ServerServiceChange): void;
  /** Ends the attached session, if any, with this reason; the service stays. */
  detach(reason: EndReason): void;
}

export interface ServerServiceChange {
  readonly bind?: ServerServiceSpec['bind'];
  readonly nodelay?: boolean | undefined;
  readonly routine?: ServerRoutine;
}

export interface ClientSession {
  readonly control: ControlStream;
  /** Where data channels are dialled: first the address that the control channel reached. */
  readonly dial: DialSpec;
  readonly routine: ClientRoutine;
  readonly handler: SessionHandler;
}

/**
 * A local service and the data channels that carry visitors to it.
 *
 * For each channel that is asked for, by command or frame, one is dialled, `dialsAtOnce` at a time,
 * retried until `dialRetryMs`; it shows its hello and waits for its start without a time limit.
 * After the start the local service is connected within `localConnectTimeoutMs`; a failure resets
 * the channel, or aborts its use. A newer session replaces the older (`replaced`). When a session
 * ends, channels that wait for a start are closed after `orphanGraceMs`; those in use go on, and
 * are closed when their use is over.
 *
 * udp: one connected local socket per visitor and channel, idle `udpIdleMs`, at most `udpSessions`
 * per channel. Running udp channels end with the server's end of them, not with the session.
 */
export interface ClientService extends Closable {
  attach(session: ClientSession): void;
  /** @throws WARREN_E_STATE without a suspended session. */
  resume(routine: ClientRoutine): void;
  /** For visitors from now on. */
  update(change: ClientServiceChange): void;
  detach(reason: EndReason): void;
}

export interface ClientServiceChange {
  readonly local?: ClientServiceSpec['local'];
  readonly nodelay?: boolean | undefined;
  readonly preferIpv6?: boolean;
  readonly routine?: ClientRoutine;
  /** For data channels of the running session from now on. The server's address stays the same. */
  readonly dial?: DialSpec;
}
