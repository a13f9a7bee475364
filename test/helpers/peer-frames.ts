/** Frames of a control channel (docs/wire.md, section 2), said and understood by a test peer. */
import type { Peer } from './peer.ts';

const HEAD_LENGTH = 4;

export const FRAME = { channels: 1, heartbeat: 2, drain: 3, gaveUp: 4 } as const;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** `length`: another one than that of the payload. */
export function frame(
  type: number,
  payload: Uint8Array = Buffer.alloc(0),
  length: number = payload.length,
): Buffer {
  const head = Buffer.alloc(HEAD_LENGTH);
  head.writeUInt8(type);
  head.writeUIntLE(length, 1, 3);
  return Buffer.concat([head, payload]);
}

export function channelsFrame(count: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16LE(count);
  return frame(FRAME.channels, payload);
}

export function drainFrame(forMs = 0xffffffff): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(forMs);
  return frame(FRAME.drain, payload);
}

export function gaveUpFrame(visitor: number | bigint, reason: number): Buffer {
  const payload = Buffer.alloc(9);
  payload.writeBigUInt64LE(BigInt(visitor));
  payload.writeUInt8(reason, 8);
  return frame(FRAME.gaveUp, payload);
}

export interface GaveUp {
  readonly visitor: bigint;
  readonly reason: number;
}

export function decodeGaveUp({ payload }: Frame): GaveUp {
  return { visitor: payload.readBigUInt64LE(), reason: payload.readUInt8(8) };
}

/** Takes every frame that comes off a control channel and hands it on, in order. */
export function onFrames(control: Peer, take: (frame: Frame) => void): void {
  let head: Buffer | undefined;
  const onData = (): void => {
    for (;;) {
      if (head === undefined) {
        if (control.buffered < HEAD_LENGTH) return;
        head = control.take(HEAD_LENGTH);
      }
      const length = head.readUIntLE(1, 3);
      if (control.buffered < length) return;
      const [type = 0] = head;
      head = undefined;
      take({ type, payload: Buffer.from(control.take(length)) });
    }
  };
  onData();
  control.socket.on('data', onData);
}
