/** Generated from native/napi by `npm run build:native`: not to be edited. */
import type { EndReason } from './reason.ts';
import type { ProxySpec, ServiceType, TransportSpec } from './spec.ts';

/**
 * One engine. Calls return at once; answers come as upcalls. Names of listeners, services and
 * sessions are the caller's, and those of streams that it dials; they are below 2^31.
 */
export declare class BindingEngine {
  /** Starts its threads. `wake` is called when there are upcalls to be taken. */
  constructor(options: BindingEngineOptions, wake: () => void)
  /** What has come since the last call, in order. */
  takeUpcalls(): Array<BindingUpcall>
  /** Whether the process is kept alive. At first it is not. */
  keepAlive(alive: boolean): void
  /** Answered by `listening` or `listen_failed`. */
  listen(listener: number, spec: BindingTunnelListen): void
  updateListener(listener: number, transport: BindingTransport): void
  /** Frees the ports of all listeners; each is still to be closed. */
  stopAccepting(): void
  /** Answered by `listener_closed`. */
  closeListener(listener: number, why: EndReason): void
  /** Answered by `dialed` or `dial_failed`. */
  dial(stream: number, spec: BindingDial): void
  /** Gives a dial up that has not been answered. */
  abortDial(stream: number): void
  /** Answered by `stream_read`, unless the stream ends first. */
  streamRead(stream: number, length: number): void
  /** Answered by `stream_flushed` when the system has all of it. */
  streamWrite(stream: number, bytes: Uint8Array): void
  /** Flushes, sends FIN and waits a little for the peer's. */
  streamFinish(stream: number, why: EndReason): void
  streamDestroy(stream: number, why: EndReason): void
  openServerService(service: number, spec: BindingServerService): void
  openClientService(service: number, spec: BindingClientService): void
  /** `ended`: why the stream has ended already. Answered in the end by one `session_ended`. */
  attachServer(service: number, stream: number, ended: EndReason | undefined, session: BindingServerSession): void
  /** As `attachServer`. */
  attachClient(service: number, stream: number, ended: EndReason | undefined, session: BindingClientSession): void
  /** After `surplus`: the session goes on with this routine. */
  resumeServer(service: number, routine: BindingServerRoutine): void
  /** As `resumeServer`. */
  resumeClient(service: number, routine: BindingClientRoutine): void
  updateServer(service: number, change: BindingServerChange): void
  updateClient(service: number, change: BindingClientChange): void
  /** Ends the attached session, if any. */
  detach(service: number, why: EndReason): void
  /** Without a deadline it takes as long as it takes. Answered by `service_closed`. */
  closeService(service: number, why: EndReason, deadlineMs?: number | undefined): void
  /** Answered by `service_closed`. */
  destroyService(service: number): void
  /** After `service_closed`: it has no stats any more. */
  forgetService(service: number): void
  /** How many it was started with. */
  threads(): number
  stats(): BindingEngineStats
  /**
   * Stops the threads and closes every socket; when it returns, none is left. The last upcalls
   * can still be taken, of which no wake-up tells.
   */
  shutdown(): void
}

/** An address without brackets. */
export interface BindingAddress {
  host: string
  port: number
}

/** As `BindingServerChange`. */
export interface BindingClientChange {
  local?: BindingHostPort | undefined
  changesNodelay: boolean
  nodelay?: boolean | undefined
  preferIpv6?: boolean | undefined
  routine?: BindingClientRoutine | undefined
  dial?: BindingDial | undefined
}

export interface BindingClientRoutine {
  create: Uint8Array
  heartbeat: Uint8Array
  silenceTimeoutMs: number
  hello: Uint8Array
  start: Uint8Array
  otherStart: Uint8Array
  reuse?: BindingReuse | undefined
  goodbye: Uint8Array
}

export interface BindingClientService {
  name: string
  type: ServiceType
  local: BindingHostPort
  nodelay?: boolean | undefined
  preferIpv6: boolean
}

export interface BindingClientSession {
  session: number
  dial: BindingDial
  routine: BindingClientRoutine
}

export interface BindingCredentials {
  username: string
  password: string
}

export interface BindingDial {
  remote: BindingHostPort
  preferIpv6: boolean
  transport: BindingTransport
  proxy?: BindingProxy | undefined
}

export interface BindingEngineOptions {
  limits: BindingLimits
  accessLog: boolean
  /** Whether anybody takes events. */
  events: boolean
  /** 0: as many as there are cores, at most 4. */
  threads: number
}

export interface BindingEngineStats {
  services: Array<BindingServiceStats>
  unauthenticated: number
  tunnelRejected: Array<BindingReasonCount>
}

export type BindingEvent =
  | { type: 'visitor_end'; service: string; protocol: ServiceType; visitor: BindingAddress | undefined; bytesIn: number; bytesOut: number; durationMs: number; reason: EndReason }
  | { type: 'bound'; service: string; address: BindingAddress }
  | { type: 'bind_failed'; service: string; address: string; error: string; attempt: number }
  | { type: 'tunnel_rejected'; reason: EndReason; peer: BindingAddress | undefined; error: string | undefined; count: number }
  | { type: 'visitor_refused'; service: string; reason: EndReason; error: string | undefined; count: number }
  | { type: 'channel_failed'; service: string; reason: EndReason; error: string | undefined; count: number }
  | { type: 'accept_failed'; address: string; error: string }
  | { type: 'fault'; where: string; error: string; stack: string | undefined }
  | { type: 'events_lost'; count: number }

export interface BindingFrameTypes {
  channels: number
  heartbeat: number
  drain: number
  gaveUp: number
}

export interface BindingHello {
  length: number
  control: Uint8Array
  data: Uint8Array
}

export interface BindingHostPort {
  host: string
  port: number
}

export interface BindingIdentity {
  chain: readonly Uint8Array[]
  key: Uint8Array
}

export interface BindingLimits {
  handshakeTimeoutMs: number
  unauthenticatedTotal: number
  unauthenticatedPerAddress: number
  poolFloor: number
  poolCeiling: number
  reuseCeiling: number
  channelUses: number
  channelAgeMs: number
  channelSettleMs: number
  udpChannels: number
  channelsPerService: number
  visitorsPerService: number
  visitorsWaiting: number
  poolWaitMs: number
  leaveGraceMs: number
  createTimeoutMs: number
  dialTimeoutMs: number
  dialsAtOnce: number
  dialsWaiting: number
  dialRetryMs: number
  localConnectTimeoutMs: number
  halfCloseIdleMs: number
  closeHoldMs: number
  orphanGraceMs: number
  udpIdleMs: number
  udpUnheardMs: number
  udpSessions: number
  udpBacklogBytes: number
  udpPendingBytes: number
  bindRetryMs: number
  lingerMs: number
}

export interface BindingNoise {
  pattern: string
  localPrivateKey: Uint8Array
  remotePublicKey?: Uint8Array | undefined
}

export interface BindingProxy {
  type: ProxySpec['type']
  address: BindingHostPort
  credentials?: BindingCredentials | undefined
}

export interface BindingReasonCount {
  reason: EndReason
  count: number
}

export interface BindingReuse {
  start: Uint8Array
  addresses: boolean
  frames?: BindingFrameTypes | undefined
}

/** What is absent stays as it is, but for `nodelay`: absent, too, is one of its values. */
export interface BindingServerChange {
  bind?: BindingHostPort | undefined
  changesNodelay: boolean
  nodelay?: boolean | undefined
  routine?: BindingServerRoutine | undefined
}

export interface BindingServerRoutine {
  create: Uint8Array
  heartbeat: Uint8Array
  heartbeatIntervalMs: number
  start: Uint8Array
  reuse?: BindingReuse | undefined
  goodbye: Uint8Array
}

export interface BindingServerService {
  name: string
  type: ServiceType
  bind: BindingHostPort
  nodelay?: boolean | undefined
}

export interface BindingServerSession {
  session: number
  key: Uint8Array
  routine: BindingServerRoutine
}

export interface BindingServiceStats {
  service: string
  protocol: ServiceType
  visitorsOpen: number
  visitorsWaiting: number
  visitorsTotal: number
  bytesIn: number
  bytesOut: number
  datagramsDropped: number
  poolReady: number
  poolRequested: number
  poolTarget: number
  poolHits: number
  poolMisses: number
  poolStale: number
  ends: Array<BindingReasonCount>
}

/** An error of the system: its code (`EADDRINUSE`), where there is one, and its text. */
export interface BindingSystemError {
  code?: string
  message: string
}

export interface BindingTcp {
  nodelay: boolean
  keepaliveMs: number
  keepaliveIntervalMs: number
}

export interface BindingTls {
  identities: readonly BindingIdentity[]
  roots: readonly Uint8Array[]
  hostname: string
}

/** `type` says which of the others is there; `tls` may be below `websocket`. */
export interface BindingTransport {
  type: TransportSpec['type']
  tcp: BindingTcp
  tls?: BindingTls | undefined
  noise?: BindingNoise | undefined
  websocket?: BindingWebsocket | undefined
}

export interface BindingTunnelListen {
  bind: BindingHostPort
  transport: BindingTransport
  hello: BindingHello
}

export type BindingUpcall =
  | { type: 'listening'; listener: number; address: BindingAddress }
  | { type: 'listen_failed'; listener: number; error: BindingSystemError }
  | { type: 'listener_closed'; listener: number }
  | { type: 'control'; listener: number; stream: number; digest: Buffer; peer: BindingAddress }
  | { type: 'dialed'; stream: number; peer: BindingAddress }
  | { type: 'dial_failed'; stream: number; tried: string; refusal?: EndReason; error?: BindingSystemError; aborted: boolean }
  | { type: 'stream_read'; stream: number; bytes: Buffer }
  | { type: 'stream_flushed'; stream: number }
  | { type: 'stream_ended'; stream: number; reason: EndReason; error?: string; unread: Buffer }
  | { type: 'address'; service: number; address?: BindingAddress }
  | { type: 'surplus'; service: number; session: number }
  | { type: 'session_ended'; service: number; session: number; reason: EndReason }
  | { type: 'service_closed'; service: number }
  | { type: 'events'; events: Array<BindingEvent> }

export interface BindingWebsocket {
  path: string
  headers: readonly (readonly [name: string, value: string])[]
}

/** What an engine takes where it is told nothing else. */
export declare function defaultLimits(): BindingLimits

/** Every end reason, in the order of the table. */
export declare function endReasons(): Array<string>

/** Does what the engine lives by, for a moment: why it does not work on this machine, or null. */
export declare function probe(): string | null

/** Of this addon, which is that of the package that it was built for. */
export declare function version(): string
