/**
 * Frames on a control channel between two warren peers (docs/wire.md, section 2): those that an engine
 * writes, and a reader of those that come, cut anywhere. No I/O. Types are data of the routine.
 */
import type { FrameTypes } from '../engine/spec.ts';

const HEAD_BYTES = 4;
const PAYLOAD_MAX_BYTES = 4_096;
const COUNT_BYTES = 2;
const COUNT_MAX = 0xffff;
const DRAIN_BYTES = 4;
const VISITOR_BYTES = 8;

export type Frame =
  | { readonly kind: 'channels'; readonly count: number }
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'gave up'; readonly visitor: bigint; readonly reason: number }
  /** Of a type that is not ours to act on. */
  | { readonly kind: 'unknown' }
  /** Too long, or too short for its type; nothing is read behind it. */
  | { readonly kind: 'bad' };

const HEARTBEAT: Frame = { kind: 'heartbeat' };
const DRAIN: Frame = { kind: 'drain' };
const UNKNOWN: Frame = { kind: 'unknown' };
const BAD: Frame = { kind: 'bad' };
const NOTHING = Buffer.alloc(0);

/** Asks for so many channels, in as many frames as that takes. */
export function encodeChannels(types: FrameTypes, count: number): Buffer {
  const frames: Buffer[] = [];
  for (let left = count; left > 0; left -= COUNT_MAX) {
    const frame = frameOf(types.channels, COUNT_BYTES);
    frame.writeUInt16LE(Math.min(left, COUNT_MAX), HEAD_BYTES);
    frames.push(frame);
  }
  return Buffer.concat(frames);
}

export function encodeGaveUp(types: FrameTypes, visitor: bigint, reason: number): Buffer {
  const frame = frameOf(types.gaveUp, VISITOR_BYTES + 1);
  frame.writeBigUInt64LE(visitor, HEAD_BYTES);
  frame[HEAD_BYTES + VISITOR_BYTES] = reason;
  return frame;
}

function frameOf(type: number, length: number): Buffer {
  const frame = Buffer.alloc(HEAD_BYTES + length);
  frame[0] = type;
  frame.writeUIntLE(length, 1, 3);
  return frame;
}

/** `feed` gives it a chunk, `next` takes one frame after the other; it keeps 13 bytes at most. */
export class FrameReader {
  readonly #types: FrameTypes;
  #chunk: Buffer = NOTHING;
  /** The beginning of a frame, as far as that matters. */
  #kept: Buffer = NOTHING;
  /** Bytes of a payload that are passed over. */
  #skip = 0;
  #isBad = false;

  constructor(types: FrameTypes) {
    this.#types = types;
  }

  /** Only when `next` has found nothing more. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
  }

  next(): Frame | undefined {
    if (this.#isBad) return BAD;
    this.#pass();
    if (this.#skip > 0 || !this.#gather(HEAD_BYTES)) return undefined;
    const type = this.#kept[0] ?? 0;
    const length = this.#kept.readUIntLE(1, 3);
    const needed = this.#payloadOf(type);
    if (length > PAYLOAD_MAX_BYTES || length < needed) {
      this.#isBad = true;
      return BAD;
    }
    if (!this.#gather(HEAD_BYTES + needed)) return undefined;
    const frame = this.#frame(type, this.#kept.subarray(HEAD_BYTES));
    this.#kept = NOTHING;
    this.#skip = length - needed;
    this.#pass();
    return frame;
  }

  /** How much of a payload its type needs. */
  #payloadOf(type: number): number {
    const { channels, drain, gaveUp } = this.#types;
    if (type === channels) return COUNT_BYTES;
    if (type === drain) return DRAIN_BYTES;
    return type === gaveUp ? VISITOR_BYTES + 1 : 0;
  }

  #frame(type: number, payload: Buffer): Frame {
    const { channels, heartbeat, drain, gaveUp } = this.#types;
    if (type === channels) return { kind: 'channels', count: payload.readUInt16LE(0) };
    if (type === heartbeat) return HEARTBEAT;
    if (type === drain) return DRAIN;
    if (type !== gaveUp) return UNKNOWN;
    const reason = payload[VISITOR_BYTES] ?? 0;
    return { kind: 'gave up', visitor: payload.readBigUInt64LE(0), reason };
  }

  #pass(): void {
    const passed = Math.min(this.#skip, this.#chunk.length);
    this.#skip -= passed;
    this.#chunk = this.#chunk.subarray(passed);
  }

  #gather(length: number): boolean {
    const missing = length - this.#kept.length;
    if (missing > 0) {
      const more = this.#chunk.subarray(0, missing);
      if (more.length > 0) this.#kept = Buffer.concat([this.#kept, more]);
      this.#chunk = this.#chunk.subarray(more.length);
    }
    return this.#kept.length >= length;
  }
}
