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

/** Noise (wire-v1 4.3). Keys are raw X25519 keys of 32 bytes. */
export interface NoiseSpec {
  /** `Noise_<pattern>_25519_<cipher>_<hash>`, one that `parseNoisePattern` takes. */
  readonly pattern: string;
  /** Our static key; one made for this process where none is configured. */
  readonly localPrivateKey: Uint8Array;
  /** The peer's static key. Always compared, also where the pattern transmits it (W21). */
  readonly remotePublicKey: Uint8Array | undefined;
}

/** A certificate with its private key: DER; the leaf first, then what links it to its root. */
export interface TlsIdentity {
  readonly chain: readonly Uint8Array[];
  /** PKCS#8. */
  readonly key: Uint8Array;
}

/** TLS 1.2 and 1.3 (wire-v1 4.2). What is here was read and checked by the control plane. */
export interface TlsSpec {
  /**
   * Ours. A server needs at least one; where a client can take several, an ECDSA one is shown. A
   * client shows the first to a server that asks.
   */
  readonly identities: readonly TlsIdentity[];
  /**
   * DER certificates, exclusive. Of a client: who may have issued the server's certificate, never
   * empty. Of a server: who may have issued a client's; empty: clients need none.
   */
  readonly roots: readonly Uint8Array[];
  /** Client: the name or IP address that the server's certificate must have. */
  readonly hostname: string;
}

/** WebSocket (wire-v1 4.4). */
export interface WebsocketSpec {
  /** Begins with "/". A server whose path is not "/" answers other paths with 404. */
  readonly path: string;
  /** Client: further request headers, in order; a `Host` here replaces the one of `remote`. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** How a tunnel connection is carried; `tcp` is below every transport. */
export type TransportSpec =
  | { readonly type: 'tcp'; readonly tcp: TcpSpec }
  | { readonly type: 'tls'; readonly tcp: TcpSpec; readonly tls: TlsSpec }
  | { readonly type: 'noise'; readonly tcp: TcpSpec; readonly noise: NoiseSpec }
  | {
      readonly type: 'websocket';
      readonly tcp: TcpSpec;
      readonly websocket: WebsocketSpec;
      /** TLS below the WebSocket. */
      readonly tls: TlsSpec | undefined;
    };

/**
 * A proxy that connects us to the server (wire-v1 4.1). It gets the server's name as it is: names
 * are resolved by the proxy, literals are sent as addresses.
 */
export interface ProxySpec {
  /** HTTP CONNECT (RFC 9110 9.3.6), or SOCKS 5 (RFC 1928, RFC 1929). */
  readonly type: 'http' | 'socks5';
  readonly address: HostPort;
  /** User name and password, plain. */
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
}

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

/**
 * Where a client dials a server. Every address of the name (with a proxy: of its name) is tried.
 */
export interface DialSpec {
  readonly remote: HostPort;
  readonly preferIpv6: boolean;
  readonly transport: TransportSpec;
  readonly proxy: ProxySpec | undefined;
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
 * Of a peer that reuses data channels (docs/wire.md): how a channel is put to use, and what the
 * control channel carries instead of commands. Types of frames: those that an engine acts on by
 * itself; it skips the others.
 */
export interface ReuseRules {
  /**
   * Written once on a data channel, instead of the routine's `start`, ahead of its first use. Empty
   * for udp, whose channels are not reused.
   */
  readonly start: Uint8Array;
  /** Visitors' addresses go with each use. */
  readonly addresses: boolean;
  /** Undefined while commands come as in v1: a client that waits for the answer to its offer. */
  readonly frames: FrameTypes | undefined;
}

/** Types of frames on the control channel (docs/wire.md, section 2). */
export interface FrameTypes {
  /** Server to client: u16, so many data channels are to be opened. Sent instead of `create`. */
  readonly channels: number;
  readonly heartbeat: number;
  /** The peer stops: the session ends (`drain`). */
  readonly drain: number;
  /** u64 visitor, u8 reason: that use ends with that reason. */
  readonly gaveUp: number;
}

/**
 * What a server's engine does by itself on a control channel after the handshake. It writes
 * `create` whenever the pool wants a channel, any number of them in one write, and `heartbeat`
 * after `heartbeatIntervalMs` in which it wrote nothing (0: never). Nothing that arrives is its to
 * interpret: bytes suspend the routine and go to `SessionHandler.surplus`. With `reuse`, it asks by
 * frames and acts on the frames that come; a malformed one ends the session (`control_data`).
 */
export interface ServerRoutine {
  readonly create: Uint8Array;
  /** With `reuse`, a whole frame. */
  readonly heartbeat: Uint8Array;
  readonly heartbeatIntervalMs: number;
  /** Written first on a data channel when it is put to use. */
  readonly start: Uint8Array;
  /** Undefined: wire v1. A session that has it keeps it. */
  readonly reuse: ReuseRules | undefined;
  /**
   * Written last when the session ends with `drain` or `service_closed`; then it ends as by
   * `finish`. Empty: nothing is written, and it ends at once.
   */
  readonly goodbye: Uint8Array;
}

/**
 * What a client's engine does by itself. Commands are `create.length` bytes each; `create` opens a
 * data channel, `heartbeat` only proves life. Each re-arms the supervision of `silenceTimeoutMs`
 * (0: none). Any other command suspends the routine and goes to `SessionHandler.surplus`, together
 * with all that follows it. The engine writes nothing but the goodbye. With `reuse.frames`, frames
 * come instead of commands, each of which proves life, and *gave up* is written; a malformed one
 * ends the session (`control_data`).
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
  /** Undefined: wire v1. */
  readonly reuse: ReuseRules | undefined;
  /** As `ServerRoutine.goodbye`. */
  readonly goodbye: Uint8Array;
}
