/** Why a use of a data channel was aborted: reasons as numbers on the wire (docs/wire.md, section 5). */
import type { EndReason } from '../engine/reason.ts';
import type { ChannelRole } from './channel-use.ts';

/** By number; a number that is not in the column of who tells it is read as the first. */
const REASONS: Readonly<Record<ChannelRole, readonly (EndReason | undefined)[]>> = {
  client: [
    'channel_reset',
    'local_reset',
    'local_refused',
    'local_timeout',
    'local_unreachable',
    'half_close_timeout',
    'visitor_limit',
    'drain',
    'service_closed',
    'destroyed',
    'internal_error',
  ],
  server: [
    'channel_reset',
    'visitor_reset',
    undefined,
    undefined,
    undefined,
    'half_close_timeout',
    'visitor_limit',
    'drain',
    'service_closed',
    'destroyed',
    'internal_error',
  ],
};

/** What `teller` says for a reason; 0 where the table has no number for it. */
export function abortNumber(teller: ChannelRole, reason: EndReason | undefined): number {
  return reason === undefined ? 0 : Math.max(0, REASONS[teller].indexOf(reason));
}

/** What a number means that `teller` has said. */
export function abortReason(teller: ChannelRole, number: number): EndReason {
  return REASONS[teller][number] ?? 'channel_reset';
}

/** The peer has aborted the use, for this reason. */
export class AbortedUse extends Error {
  override readonly name = 'AbortedUse';
  readonly reason: EndReason;

  constructor(reason: EndReason) {
    super(`the peer aborted: ${reason}`);
    this.reason = reason;
  }
}
