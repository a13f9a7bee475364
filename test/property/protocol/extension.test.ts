import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decodeAnswer,
  decodeOffer,
  encodeAnswer,
  encodeDrainFrame,
  encodeOffer,
  isMarked,
  markedNonce,
  START_REUSED,
} from '../../../ts/protocol/extension.ts';

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

it('every 24 bytes make a marked nonce that begins with them', () => {
  fc.assert(
    fc.property(bytesOf(24), (random) => {
      const nonce = markedNonce(random);
      expect(nonce.subarray(0, 24)).toEqual(random);
      expect(nonce).toHaveLength(32);
      expect(isMarked(nonce)).toBe(true);
    }),
  );
});

it('the nonce of a stock server has no mark', () => {
  fc.assert(fc.property(bytesOf(32), (nonce) => !isMarked(nonce)));
});

it('features go through offer and answer', () => {
  fc.assert(
    fc.property(u32, (features) => {
      expect(decodeOffer(encodeOffer(features))).toBe(features);
      expect(decodeAnswer(encodeAnswer(features))).toBe(features);
    }),
  );
});

it('whatever 16 bytes come, they are the offer that has them or none', () => {
  const near = fc
    .tuple(u32, fc.array(fc.tuple(fc.nat(15), fc.nat(255)), { maxLength: 3 }))
    .map(([features, changes]) => {
      const bytes = encodeOffer(features);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(bytesOf(16), near), (bytes) => {
      const features = decodeOffer(bytes);
      const isOffer =
        START_REUSED.every((byte, at) => byte === bytes[at]) &&
        bytes.subarray(8).every((byte) => byte === 0);
      expect(features !== undefined).toBe(isOffer);
      if (features !== undefined) expect(encodeOffer(features)).toEqual(bytes);
    }),
  );
});

it('a drain says its milliseconds', () => {
  fc.assert(
    fc.property(u32, (ms) => {
      const frame = encodeDrainFrame(ms);
      expect([...frame.subarray(0, 4)]).toEqual([3, 4, 0, 0]);
      expect(new DataView(frame.buffer).getUint32(4, true)).toBe(ms);
    }),
  );
});
