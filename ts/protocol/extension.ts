/**
 * What two warren peers say beyond wire v1 (docs/wire.md, sections 1 and 2): the mark of a nonce,
 * offer and answer, frames of the control channel. No I/O, no clock. Integers are little-endian.
 * Towards any other peer none of it is on the wire but the mark, which looks as random as the rest.
 */
import { createHash } from 'node:crypto';

/** ASCII `WRN1`: begins offer and answer, and puts a data channel to use instead of v1's start. */
export const START_REUSED: Uint8Array = Uint8Array.of(0x57, 0x52, 0x4e, 0x31);

export const NONCE_LENGTH = 32;
/** The random bytes of a marked nonce; the rest is its mark. */
export const MARKED_RANDOM_LENGTH = 24;

const MARK_PREFIX = 'warren channel extension 1';

/** A nonce that says: this server knows the extension. `random` is 24 bytes. */
export function markedNonce(random: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(NONCE_LENGTH);
  nonce.set(random);
  nonce.set(markOf(random), MARKED_RANDOM_LENGTH);
  return nonce;
}

export function isMarked(nonce: Uint8Array): boolean {
  const mark = markOf(nonce.subarray(0, MARKED_RANDOM_LENGTH));
  return mark.every((byte, at) => byte === nonce[MARKED_RANDOM_LENGTH + at]);
}

function markOf(random: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(MARK_PREFIX).update(random).digest();
  return hash.subarray(0, NONCE_LENGTH - MARKED_RANDOM_LENGTH);
}

/** Feature bit 0: visitors' addresses travel in START. */
export const FEATURE_ADDRESSES = 1;

export const OFFER_LENGTH = 16;
export const ANSWER_LENGTH = 8;

const FEATURES_AT = 4;

export function encodeOffer(features: number): Uint8Array {
  return wordsOf(OFFER_LENGTH, features);
}

/** The features of 16 bytes; undefined for anything that is no offer. */
export function decodeOffer(bytes: Uint8Array): number | undefined {
  if (bytes.length !== OFFER_LENGTH || !bytes.subarray(ANSWER_LENGTH).every(isZero)) {
    return undefined;
  }
  return featuresOf(bytes);
}

export function encodeAnswer(features: number): Uint8Array {
  return wordsOf(ANSWER_LENGTH, features);
}

/** The features of 8 bytes; undefined for anything that is no answer. */
export function decodeAnswer(bytes: Uint8Array): number | undefined {
  return bytes.length === ANSWER_LENGTH ? featuresOf(bytes) : undefined;
}

function wordsOf(length: number, features: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(START_REUSED);
  view(bytes).setUint32(FEATURES_AT, features, true);
  return bytes;
}

function featuresOf(bytes: Uint8Array): number | undefined {
  const isOurs = START_REUSED.every((byte, at) => byte === bytes[at]);
  return isOurs ? view(bytes).getUint32(FEATURES_AT, true) : undefined;
}

function isZero(byte: number): boolean {
  return byte === 0;
}

/** Types of frames on the control channel: u8 type, u24 length, payload. */
export const FRAME_CHANNELS = 1;
export const FRAME_HEARTBEAT = 2;
export const FRAME_DRAIN = 3;
export const FRAME_GAVE_UP = 4;

/** As an engine is told them. */
export const REUSE_FRAMES: {
  readonly channels: number;
  readonly heartbeat: number;
  readonly drain: number;
  readonly gaveUp: number;
} = {
  channels: FRAME_CHANNELS,
  heartbeat: FRAME_HEARTBEAT,
  drain: FRAME_DRAIN,
  gaveUp: FRAME_GAVE_UP,
};

const FRAME_HEAD_LENGTH = 4;

/** Server to client: open so many data channels, 0..65535. */
export function encodeChannelsFrame(count: number): Uint8Array {
  const bytes = frame(FRAME_CHANNELS, 2);
  view(bytes).setUint16(FRAME_HEAD_LENGTH, count, true);
  return bytes;
}

export const HEARTBEAT_FRAME: Uint8Array = frame(FRAME_HEARTBEAT, 0);

/** Drain for as long as visitors take. */
const DRAIN_UNBOUNDED = 0xffff_ffff;

/** We stop, and let visitors finish for so long; `Infinity`: as long as they take. */
export function encodeDrainFrame(deadlineMs: number): Uint8Array {
  const bytes = frame(FRAME_DRAIN, 4);
  const bounded = Math.min(Math.max(0, Math.ceil(deadlineMs)), DRAIN_UNBOUNDED);
  view(bytes).setUint32(FRAME_HEAD_LENGTH, bounded, true);
  return bytes;
}

/** A frame whose payload is to be filled in; those here are shorter than 256 bytes. */
function frame(type: number, payloadLength: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEAD_LENGTH + payloadLength);
  bytes[0] = type;
  bytes[1] = payloadLength;
  return bytes;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
