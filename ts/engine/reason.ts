/**
 * The one table of end reasons: every connection ends with exactly one of these codes, the same
 * code in log, events, stats and docs. A test checks that `docs/reasons.md` names the same codes,
 * both ways.
 *
 * `of` says what ended: a `visitor` (its connection or UDP session), a `channel` (a data channel
 * that carried no visitor), a `tunnel` connection before it was known to be ours, or a `session` (a
 * control channel); `any` of them.
 */

/** `ok`: the end is what the parties wanted. */
export const REASONS = {
  // A visitor that was served.
  visitor_fin: {
    of: 'visitor',
    ok: true,
    text: 'both directions ended, the visitor ended first',
  },
  local_fin: {
    of: 'visitor',
    ok: true,
    text: 'both directions ended, the local service ended first',
  },
  visitor_reset: { of: 'visitor', ok: false, text: 'the visitor reset its connection' },
  local_reset: { of: 'visitor', ok: false, text: 'the local service reset its connection' },
  channel_reset: { of: 'visitor', ok: false, text: 'the data channel was reset or timed out' },
  half_close_timeout: {
    of: 'visitor',
    ok: false,
    text: 'one direction had ended and the other stayed silent too long',
  },
  idle: { of: 'visitor', ok: true, text: 'a UDP session saw no datagram for the idle time' },
  evicted: { of: 'visitor', ok: false, text: 'a UDP session made room for a newer one' },
  // A visitor that was not served.
  visitor_left: {
    of: 'visitor',
    ok: true,
    text: 'the visitor left before a data channel was ready',
  },
  visitor_limit: {
    of: 'visitor',
    ok: false,
    text: 'the service has as many visitors as it may have',
  },
  descriptors: { of: 'visitor', ok: false, text: 'file descriptors are running out' },
  pool_timeout: { of: 'visitor', ok: false, text: 'no data channel became ready in time' },
  local_refused: { of: 'visitor', ok: false, text: 'the local service refused the connection' },
  local_timeout: { of: 'visitor', ok: false, text: 'the local service did not answer in time' },
  local_unreachable: {
    of: 'visitor',
    ok: false,
    text: 'the local service cannot be reached (name, route, permission, descriptors)',
  },
  // Whatever a transport carries.
  bad_record: {
    of: 'any',
    ok: false,
    text: 'what the transport brought was forged or malformed: a record or a frame',
  },
  truncated: {
    of: 'any',
    ok: false,
    text: 'the connection ended inside a record, or without the end that TLS has',
  },
  // Lifecycle.
  session_end: {
    of: 'any',
    ok: true,
    text: 'the session it belonged to ended',
  },
  service_closed: {
    of: 'any',
    ok: true,
    text: 'the service was removed or changed',
  },
  drain: { of: 'any', ok: true, text: 'we are stopping, or the peer said that it is' },
  destroyed: {
    of: 'any',
    ok: true,
    text: 'aborted at once by its owner',
  },
  internal_error: {
    of: 'any',
    ok: false,
    text: 'a fault in warren: please report it',
  },
  // A data channel that carried no visitor.
  stale_channel: { of: 'channel', ok: false, text: 'a pooled channel got FIN or RST' },
  surplus_channel: {
    of: 'channel',
    ok: true,
    text: 'a pooled channel that demand no longer needs',
  },
  early_data: { of: 'channel', ok: false, text: 'a pooled channel got bytes before its start' },
  channel_limit: {
    of: 'channel',
    ok: false,
    text: 'the service has as many channels as it may have',
  },
  channel_eof: {
    of: 'channel',
    ok: true,
    text: 'the server closed a channel that it did not use',
  },
  dial_failed: {
    of: 'channel',
    ok: false,
    text: 'the server could not be dialled for a channel',
  },
  dial_limit: {
    of: 'channel',
    ok: false,
    text: 'more channels were requested than we dial at once',
  },
  type_mismatch: {
    of: 'channel',
    ok: false,
    text: 'the server started the channel for another service type than ours',
  },
  bad_start: { of: 'channel', ok: false, text: 'the start command is not one we know' },
  bad_frame: { of: 'channel', ok: false, text: 'a UDP frame was malformed' },
  // A tunnel connection before it was known to be ours.
  handshake_timeout: {
    of: 'tunnel',
    ok: false,
    text: 'hello and auth were not complete in time',
  },
  handshake_eof: { of: 'tunnel', ok: false, text: 'closed or reset before hello and auth' },
  bad_hello: { of: 'tunnel', ok: false, text: 'the hello is not of our protocol version' },
  unknown_session: { of: 'tunnel', ok: false, text: 'no live session has that session key' },
  refused_auth: { of: 'tunnel', ok: false, text: 'unknown service or wrong token' },
  tls_failed: {
    of: 'tunnel',
    ok: false,
    text: 'the TLS handshake failed: no common version, or not TLS',
  },
  certificate_refused: {
    of: 'tunnel',
    ok: false,
    text: 'a certificate was not accepted: its issuer, its dates or its name',
  },
  noise_failed: {
    of: 'tunnel',
    ok: false,
    text: 'the Noise handshake failed: another key or pattern, or not Noise',
  },
  key_mismatch: {
    of: 'tunnel',
    ok: false,
    text: 'the peer’s Noise key is not the one that is configured',
  },
  upgrade_refused: { of: 'tunnel', ok: false, text: 'the WebSocket upgrade failed' },
  proxy_refused: { of: 'tunnel', ok: false, text: 'the proxy refused or did not understand' },
  limit_total: { of: 'tunnel', ok: false, text: 'too many unauthenticated connections' },
  limit_address: {
    of: 'tunnel',
    ok: false,
    text: 'too many unauthenticated ones of one address',
  },
  // A session.
  replaced: { of: 'session', ok: true, text: 'a newer client took the service over' },
  control_eof: { of: 'session', ok: true, text: 'the peer closed the control channel' },
  control_reset: { of: 'session', ok: false, text: 'the control channel was reset or timed out' },
  control_data: { of: 'session', ok: false, text: 'the peer sent what the protocol does not know' },
  heartbeat_timeout: { of: 'session', ok: false, text: 'no command or heartbeat came in time' },
  tunnel_closed: { of: 'any', ok: true, text: 'the tunnel listener was closed' },
} as const;

export type EndReason = keyof typeof REASONS;

/** Every code, in table order. */
export const END_REASONS: readonly EndReason[] = Object.keys(REASONS) as EndReason[];
