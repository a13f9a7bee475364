/**
 * The negotiation of docs/wire.md, section 1, as a test peer says it. Written from the document alone, so
 * that warren is held to it and not to its own encoder.
 */
import { sha256, u32 } from './rathole-wire.ts';

export const WRN1: Buffer = Buffer.from('WRN1');
/** Of feature 0. */
export const OFFER: Buffer = Buffer.concat([WRN1, u32(1), Buffer.alloc(8)]);
export const ANSWER: Buffer = Buffer.concat([WRN1, u32(1)]);

const RANDOM = Buffer.alloc(24, 3);

export function markedNonce(): Buffer {
  return Buffer.concat([RANDOM, sha256('warren channel extension 1', RANDOM).subarray(0, 8)]);
}

export function stockNonce(): Buffer {
  return Buffer.concat([RANDOM, Buffer.alloc(8, 3)]);
}
