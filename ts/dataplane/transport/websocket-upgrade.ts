/** What both ends of the upgrade know (RFC 6455 4). */
import { createHash } from 'node:crypto';
import { RefusedError } from './codec.ts';

/** Bytes that the head of a request or a response may have. */
export const HEAD_MAX_BYTES = 16_384;

export const WEBSOCKET_NAME = 'WebSocket';

/** The header, with the value `1`, by which peers that are both warren know each other. */
export const OURS = 'X-Warren';
export const OURS_LOWER: string = OURS.toLowerCase();

/** What the server makes of the client's key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

export function upgradeRefused(text: string): RefusedError {
  return new RefusedError('upgrade_refused', text);
}
