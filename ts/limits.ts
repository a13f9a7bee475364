/**
 * Every bound and deadline, with its unit in the name. Defaults are for a public relay; a test or a
 * library user may pass other values through the engine's options. Meanings: docs/limits.md.
 */

export interface Limits {
  /** Accept to authenticated: transport handshake, hello and auth together (wire-v1 W1, W2). */
  readonly handshakeTimeoutMs: number;
  /** Tunnel connections that have not yet shown a session key or a token, all together. */
  readonly unauthenticatedTotal: number;
  /** The same, from one IPv4 address or IPv6 /64. Channels that we asked that address for do not count. */
  readonly unauthenticatedPerAddress: number;
  /** Channels kept ready per tcp service: at least, and at most when demand is high. */
  readonly poolFloor: number;
  readonly poolCeiling: number;
  /**
   * Reusable channels of a tcp service that are kept idle at most. Up to that they follow the peak
   * of the last minute.
   */
  readonly reuseCeiling: number;
  /** A reusable channel serves so many visitors, or gets so old, and is replaced: load can move. */
  readonly channelUses: number;
  readonly channelAgeMs: number;
  /** How long a reusable channel may take to become idle when its visitor has gone. */
  readonly channelSettleMs: number;
  /** Data channels of one udp service; visitors are spread over them by hash. */
  readonly udpChannels: number;
  /** Data channels of one service that are idle or requested. */
  readonly channelsPerService: number;
  /** Visitors of one service, waiting and served together. */
  readonly visitorsPerService: number;
  /** Visitors of one service that wait for a channel. */
  readonly visitorsWaiting: number;
  /** How long a visitor waits for a channel. */
  readonly poolWaitMs: number;
  /** How long a waiting visitor that sent nothing but FIN is still given a channel. */
  readonly leaveGraceMs: number;
  /** After this a requested channel counts as lost and is requested again. */
  readonly createTimeoutMs: number;
  /** Dialling the server, all addresses of its name together. */
  readonly dialTimeoutMs: number;
  /** Data channel dials of one service under way at once, and those that wait behind them. */
  readonly dialsAtOnce: number;
  readonly dialsWaiting: number;
  /** A data channel is dialled again after a failure until this long after its request. */
  readonly dialRetryMs: number;
  readonly localConnectTimeoutMs: number;
  /** After one direction ended: longest silence of the other. */
  readonly halfCloseIdleMs: number;
  /** A goodbye that is held back (WebSocket, stock client) is said after such a silence. */
  readonly closeHoldMs: number;
  /** A client's channels that wait for a start when their session ends are kept this long. */
  readonly orphanGraceMs: number;
  readonly udpIdleMs: number;
  /** A UDP visitor that has sent nothing for this long is sent nothing more (W24). */
  readonly udpUnheardMs: number;
  /** UDP visitors of one service that are remembered; beyond, the least recent one goes (W25). */
  readonly udpSessions: number;
  /** Bytes that may wait in one udp data channel; beyond, datagrams are dropped and counted. */
  readonly udpBacklogBytes: number;
  /** Bytes of datagrams kept while a udp service waits for its first channel. */
  readonly udpPendingBytes: number;
  /** Delay before a service's port that is in use is tried again. */
  readonly bindRetryMs: number;
  /** Half-closed refusals are given this long to be read by the peer (W38). */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  handshakeTimeoutMs: 5_000,
  unauthenticatedTotal: 1_024,
  unauthenticatedPerAddress: 64,
  poolFloor: 8,
  poolCeiling: 64,
  reuseCeiling: 1_024,
  channelUses: 4_096,
  channelAgeMs: 600_000,
  channelSettleMs: 5_000,
  udpChannels: 2,
  channelsPerService: 4_096,
  visitorsPerService: 16_384,
  visitorsWaiting: 4_096,
  poolWaitMs: 10_000,
  leaveGraceMs: 1_000,
  createTimeoutMs: 10_000,
  dialTimeoutMs: 10_000,
  dialsAtOnce: 128,
  dialsWaiting: 4_096,
  dialRetryMs: 10_000,
  localConnectTimeoutMs: 10_000,
  halfCloseIdleMs: 300_000,
  closeHoldMs: 5_000,
  orphanGraceMs: 2_000,
  udpIdleMs: 60_000,
  udpUnheardMs: 300_000,
  udpSessions: 4_096,
  udpBacklogBytes: 1_048_576,
  udpPendingBytes: 1_048_576,
  bindRetryMs: 1_000,
  lingerMs: 1_000,
};
