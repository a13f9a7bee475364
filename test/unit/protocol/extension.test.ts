import { describe, expect, it } from 'vitest';
import {
  decodeAnswer,
  decodeOffer,
  encodeAnswer,
  encodeChannelsFrame,
  encodeDrainFrame,
  encodeOffer,
  FRAME_GAVE_UP,
  HEARTBEAT_FRAME,
  isMarked,
  markedNonce,
  REUSE_FRAMES,
  START_REUSED,
} from '../../../ts/protocol/extension.ts';
import {
  COMMAND_CREATE,
  COMMAND_HEARTBEAT,
  START_TCP,
  START_UDP,
} from '../../../ts/protocol/wire.ts';
import { EXTENSION_VECTORS as V } from '../../helpers/extension-vectors.ts';
import { bytes, hex, WIRE_VECTORS } from '../../helpers/vectors.ts';

describe('vectors of docs/wire.md', () => {
  it.each(V.nonce)('a marked nonce of $random', ({ random, nonce }) => {
    expect(hex(markedNonce(bytes(random)))).toBe(nonce);
    expect(isMarked(bytes(nonce))).toBe(true);
  });

  it.each(V.offer)('an offer of features $features', ({ features, bytes: encoded }) => {
    expect(hex(encodeOffer(features))).toBe(encoded);
    expect(decodeOffer(bytes(encoded))).toBe(features);
  });

  it.each(V.answer)('an answer of features $features', ({ features, bytes: encoded }) => {
    expect(hex(encodeAnswer(features))).toBe(encoded);
    expect(decodeAnswer(bytes(encoded))).toBe(features);
  });

  it('frames', () => {
    for (const { n, bytes: encoded } of V.frames.channels) {
      expect(hex(encodeChannelsFrame(n))).toBe(encoded);
    }
    expect(hex(HEARTBEAT_FRAME)).toBe(V.frames.heartbeat);
    for (const { ms, bytes: encoded } of V.frames.drain) {
      expect(hex(encodeDrainFrame(ms ?? Number.POSITIVE_INFINITY))).toBe(encoded);
    }
    for (const { bytes: encoded } of V.frames.gave_up) {
      expect(bytes(encoded)[0]).toBe(FRAME_GAVE_UP);
    }
    expect(REUSE_FRAMES).toEqual({ channels: 1, heartbeat: 2, drain: 3, gaveUp: 4 });
  });

  it('the command is none of v1', () => {
    expect(hex(START_REUSED)).toBe(V.start_reused);
    for (const known of [COMMAND_CREATE, COMMAND_HEARTBEAT, START_TCP, START_UDP]) {
      expect(hex(START_REUSED)).not.toBe(hex(known));
    }
  });
});

describe('a mark', () => {
  it('is not seen in any nonce that differs in one bit', () => {
    const nonce = bytes(V.nonce[0]?.nonce ?? '');
    for (let bit = 0; bit < nonce.length * 8; bit++) {
      const at = bit >> 3;
      expect(isMarked(nonce.with(at, (nonce[at] ?? 0) ^ (1 << (bit & 7))))).toBe(false);
    }
  });

  it('is not seen in the nonce of the v1 vectors, nor in one of zeros', () => {
    expect(isMarked(bytes(WIRE_VECTORS.nonce))).toBe(false);
    expect(isMarked(new Uint8Array(32))).toBe(false);
  });
});

describe('an offer', () => {
  const offer = encodeOffer(1);

  it('has a right magic and a tail of zeros', () => {
    for (const at of [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]) {
      expect(decodeOffer(offer.with(at, (offer[at] ?? 0) ^ 0x80))).toBeUndefined();
    }
  });

  it('is one of 16 bytes only', () => {
    for (let length = 0; length < offer.length; length++) {
      expect(decodeOffer(offer.subarray(0, length))).toBeUndefined();
    }
    expect(decodeOffer(Uint8Array.of(...offer, 0))).toBeUndefined();
  });

  it('is read from a view into a larger buffer', () => {
    const large = Buffer.concat([Buffer.alloc(3, 9), offer, Buffer.alloc(5, 9)]);
    expect(decodeOffer(large.subarray(3, 19))).toBe(1);
  });
});

describe('an answer', () => {
  const answer = encodeAnswer(1);

  it('has a right magic and 8 bytes', () => {
    for (const at of [0, 1, 2, 3]) {
      expect(decodeAnswer(answer.with(at, (answer[at] ?? 0) ^ 1))).toBeUndefined();
    }
    for (let length = 0; length < answer.length; length++) {
      expect(decodeAnswer(answer.subarray(0, length))).toBeUndefined();
    }
  });
});

describe('a drain', () => {
  it('is bounded by what a u32 can say, in whole milliseconds', () => {
    expect(encodeDrainFrame(2 ** 40)).toEqual(encodeDrainFrame(Number.POSITIVE_INFINITY));
    expect(encodeDrainFrame(0.2)).toEqual(encodeDrainFrame(1));
    expect(encodeDrainFrame(-1)).toEqual(encodeDrainFrame(0));
  });
});
