/** What the end of a link is called, from the error that its sink was told. */
import type { EndReason } from '../engine/reason.ts';
import { AbortedUse } from './abort-reason.ts';
import { LinkFault } from './open-links.ts';
import { RefusedError, TransportFault } from './transport/codec.ts';

/** `broken`: what it is called here when the connection itself broke. */
export function brokenReason(error: Error | undefined, broken: EndReason): EndReason {
  if (error instanceof LinkFault) return 'internal_error';
  // With TLS 1.3 a client hears of a refusal behind its own handshake.
  const isOurs =
    error instanceof TransportFault || error instanceof RefusedError || error instanceof AbortedUse;
  return isOurs ? error.reason : broken;
}

/**
 * Of a channel that carries no visitor's bytes: there, a FIN without the goodbye of the transport
 * is as good as one with it (wire-v1 3.7).
 */
export function channelReason(
  error: Error | undefined,
  eof: EndReason,
  broken: EndReason,
): EndReason {
  const onlyGoodbyeMissing = error instanceof TransportFault && error.betweenRecords;
  return onlyGoodbyeMissing ? eof : brokenReason(error, broken);
}
