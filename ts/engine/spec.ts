/**
 * What the control plane tells an engine: plain data, no functions, so that it can cross into
 * native code as it is. Durations are milliseconds, lengths are bytes.
 */
import type { HostPort, ServiceType } from '../config/config.ts';

export type { HostPort, ServiceType };

/** A resolved address: `host` is a literal without brackets. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** Options of the TCP sockets below every transport. */
export interface TcpSpec {
  /** Of data channels; control channels always have it. */
  readonly nodelay: boolean;
  /** TCP keepalive: idle time before the first probe, and between probes. 0: off. */
  readonly keepaliveMs: number;
  readonly keepaliveIntervalMs: number;
}

/** How a tunnel connection is carried. Further transports join this union. */
export type TransportSpec = { readonly type: 'tcp'; readonly tcp: TcpSpec };

/**
 * How to tell the first bytes of a tunnel connection apart (wire-v1 1.2): `length` bytes are read;
 * they begin with `control` or with `data`; the rest is the digest. Anything else is `bad_hello`.
 */
export interface HelloRule {
  readonly length: number;
  readonly control: Uint8Array;
  readonly data: Uint8Array;
}

/** Where a server accepts tunnel connections. Port 0 takes a free one. */
export interface TunnelListenSpec {
  readonly bind: HostPort;
  readonly transport: TransportSpec;
  readonly hello: HelloRule;
}

/** Where a client dials a server. Every address of the name is tried. */
export interface DialSpec {
  readonly remote: HostPort;
  readonly preferIpv6: boolean;
  readonly transport: TransportSpec;
}

/** One service on the server: where visitors come in. */
export interface ServerServiceSpec {
  readonly name: string;
  readonly type: ServiceType;
  readonly bind: HostPort;
  /** Of data channels; undefined: as the transport. */
  readonly nodelay: boolean | undefined;
}

/** One service on the client: the local service that visitors are carried to. */
export interface ClientServiceSpec {
  readonly name: string;
  readonly type: ServiceType;
  readonly local: HostPort;
  readonly nodelay: boolean | undefined;
  readonly preferIpv6: boolean;
}

/**
 * What a server's engine does by itself on a control channel after the handshake. It writes
 * `create` whenever the pool wants a channel, any number of them in one write, and `heartbeat`
 * after `heartbeatIntervalMs` in which it wrote nothing (0: never). Nothing that arrives is its to
 * interpret: bytes suspend the routine and go to `SessionHandler.surplus`.
 */
export interface ServerRoutine {
  readonly create: Uint8Array;
  readonly heartbeat: Uint8Array;
  readonly heartbeatIntervalMs: number;
  /** Written first on a data channel when it is put to use. */
  readonly start: Uint8Array;
}

/**
 * What a client's engine does by itself. Commands are `create.length` bytes each; `create` opens a
 * data channel, `heartbeat` only proves life. Each re-arms the supervision of `silenceTimeoutMs`
 * (0: none). Any other command suspends the routine and goes to `SessionHandler.surplus`, together
 * with all that follows it. The engine writes nothing.
 */
export interface ClientRoutine {
  readonly create: Uint8Array;
  readonly heartbeat: Uint8Array;
  readonly silenceTimeoutMs: number;
  /** Written first on every data channel. */
  readonly hello: Uint8Array;
  /** The start command of this service's type, and that of the other type (`type_mismatch`). */
  readonly start: Uint8Array;
  readonly otherStart: Uint8Array;
}
