import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  addressOfKey,
  encodeFrame,
  encodeFramePrefix,
  keyOfPrefix,
  prefixOfKey,
  UdpFrameDecoder,
} from '../../../ts/protocol/udp-frame.ts';

const frame = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.nat({ max: 65_535 }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

/** Cuts bytes at these places. */
function cut(all: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (all.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => all.subarray(from, at[index] ?? all.length));
}

it('frames come out as they went in, wherever the stream is cut', () => {
  const input = fc.tuple(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }));
  fc.assert(
    fc.property(input, ([frames, places]) => {
      const sent = frames.map(({ host, port, payload }) => {
        const prefix = encodeFramePrefix(host, port);
        return { key: keyOfPrefix(prefix), frame: encodeFrame(prefix, payload), payload };
      });
      const decoder = new UdpFrameDecoder();
      const got: { key: string; payload: Buffer }[] = [];
      for (const chunk of cut(Buffer.concat(sent.map((one) => one.frame)), places)) {
        const ok = decoder.push(Buffer.from(chunk), ({ key, payload }) => {
          got.push({ key, payload: Buffer.from(payload) });
        });
        expect(ok).toBe(true);
      }
      expect(got.map(({ key }) => key)).toEqual(sent.map(({ key }) => key));
      for (const [index, { payload }] of got.entries()) {
        expect(payload.equals(sent[index]?.payload ?? Buffer.alloc(0))).toBe(true);
      }
    }),
  );
});

it('one frame survives a cut at each of its bytes', () => {
  fc.assert(
    fc.property(frame, ({ host, port, payload }) => {
      const whole = encodeFrame(encodeFramePrefix(host, port), payload);
      for (let at = 0; at <= whole.length; at++) {
        const decoder = new UdpFrameDecoder();
        let count = 0;
        expect(decoder.push(whole.subarray(0, at), () => count++)).toBe(true);
        expect(decoder.push(whole.subarray(at), () => count++)).toBe(true);
        expect(count).toBe(1);
      }
    }),
    { numRuns: 30 },
  );
});

it('the text form of an address names the same address', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat({ max: 65_535 }), (host, port) => {
      const prefix = encodeFramePrefix(host, port);
      const back = addressOfKey(keyOfPrefix(prefix));
      expect(encodeFramePrefix(back.host, back.port)).toEqual(prefix);
      expect(prefixOfKey(keyOfPrefix(prefix))).toEqual(prefix);
    }),
  );
});

it('whatever bytes come, the decoder says bad or waits, never throws, and cuts do not matter', () => {
  const input = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 10 }));
  fc.assert(
    fc.property(input, ([bytes, places]) => {
      const run = (chunks: readonly Uint8Array[]) => {
        const decoder = new UdpFrameDecoder();
        const seen: string[] = [];
        for (const chunk of chunks) {
          const onFrame = (one: { key: string; payload: Uint8Array }): void => {
            seen.push(`${one.key} ${Buffer.from(one.payload).toString('hex')}`);
          };
          if (!decoder.push(chunk, onFrame)) return { seen, ok: false };
        }
        return { seen, ok: true };
      };
      expect(run(cut(Buffer.from(bytes), places))).toEqual(run([Buffer.from(bytes)]));
    }),
  );
});
