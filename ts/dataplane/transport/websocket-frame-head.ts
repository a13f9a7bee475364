/** The head of a frame (RFC 6455 5.2). */
import { randomMask } from './websocket-mask.ts';

/** The longest: two bytes, a length of eight, a mask. */
export const FRAME_HEAD_MAX_BYTES = 14;
/** Of a control frame's payload. */
export const CONTROL_MAX_BYTES = 125;
/** Of a frame's payload that we take. */
const RECEIVE_MAX_BYTES: number = 16 * 1_024 * 1_024;
const LAST = 0x80;
const MASKED = 0x80;

export const OPCODES = { continuation: 0, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export type FrameKind = keyof typeof OPCODES;
const KINDS: readonly (FrameKind | undefined)[] = Array.from({ length: 16 }, (_, opcode) =>
  (Object.keys(OPCODES) as FrameKind[]).find((kind) => OPCODES[kind] === opcode),
);

/** Which end of the connection is ours; a client masks what it sends. */
export type WebsocketRole = 'client' | 'server';

export interface FrameHead {
  readonly kind: FrameKind;
  /** The last frame of its message. */
  readonly last: boolean;
  readonly mask: Uint8Array | undefined;
  /** Of the payload. */
  readonly length: number;
}

/** How long the head is that begins so, as far as these bytes tell. */
export function frameHeadBytes(bytes: Uint8Array): number {
  const second = bytes[1];
  if (second === undefined) return 2;
  const short = second & ~MASKED;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second & MASKED ? 4 : 0);
}

/** Reads a whole head that was sent to `role`; undefined where it cannot be. */
export function readFrameHead(bytes: Buffer, role: WebsocketRole): FrameHead | undefined {
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  const kind = KINDS[first & 0x0f];
  const masked = (second & MASKED) !== 0;
  const last = (first & LAST) !== 0;
  const control = (first & 0x08) !== 0;
  const length = readLength(bytes, second & ~MASKED);
  const longest = control ? CONTROL_MAX_BYTES : RECEIVE_MAX_BYTES;
  if (kind === undefined || (first & 0x70) !== 0 || length > longest) return undefined;
  if ((control && !last) || masked !== (role === 'server')) return undefined;
  const mask = masked ? Uint8Array.from(bytes.subarray(-4)) : undefined;
  return { kind, last, mask, length };
}

/** It may be written longer than it must. */
function readLength(bytes: Buffer, short: number): number {
  if (short === 126) return bytes.readUInt16BE(2);
  if (short === 127) return bytes.readUInt32BE(2) * 2 ** 32 + bytes.readUInt32BE(6);
  return short;
}

/** How long the head of a frame of ours is; its payload has at most 65,535 bytes. */
export function ownHeadBytes(length: number, role: WebsocketRole): number {
  return (length > CONTROL_MAX_BYTES ? 4 : 2) + (role === 'client' ? 4 : 0);
}

/** Writes a head of ours, with a new mask where the role has one. */
export function writeFrameHead(
  to: Buffer,
  kind: FrameKind,
  length: number,
  role: WebsocketRole,
): void {
  const masked = role === 'client' ? MASKED : 0;
  to[0] = LAST | OPCODES[kind];
  if (length > CONTROL_MAX_BYTES) {
    to[1] = masked | 126;
    to.writeUInt16BE(length, 2);
  } else {
    to[1] = masked | length;
  }
  if (masked) randomMask(to, ownHeadBytes(length, role) - 4);
}
