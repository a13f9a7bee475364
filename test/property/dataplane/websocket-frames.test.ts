import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WebsocketRole } from '../../../ts/dataplane/transport/websocket-frame-head.ts';
import { WebsocketFrames } from '../../../ts/dataplane/transport/websocket-frames.ts';
import { hardCases, pieces } from '../../helpers/corpus.ts';
import { type Outcome, take } from './codecs.ts';

const roles: readonly WebsocketRole[] = ['client', 'server'];
const cuts = fc.array(fc.nat(), { maxLength: 12 });
const codec = (role: WebsocketRole): WebsocketFrames => new WebsocketFrames(role, true);

/** Frames that are nearly right, or wrong in one place: heads at random would all be refused. */
const frame = fc
  .record({
    first: fc.oneof(
      fc.constantFrom(0x82, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88),
      fc.integer({ min: 0, max: 255 }),
    ),
    masked: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 300 }),
    lie: fc.option(fc.integer({ min: 0, max: 70_000 })),
  })
  .map(({ first, masked, payload, lie }) => {
    const length = lie ?? payload.length;
    const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
    head[0] = first;
    head[1] = (masked ? 0x80 : 0) | (head.length === 2 ? length : head.length === 4 ? 126 : 127);
    if (head.length === 4) head.writeUInt16BE(length, 2);
    if (head.length === 10) head.writeUInt32BE(length, 6);
    return Buffer.concat([head, Buffer.from(masked ? [1, 2, 3, 4] : []), payload]);
  });
const wires = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  fc.array(frame, { maxLength: 8 }).map((frames) => Buffer.concat(frames)),
);

it.each(roles)('a %s comes to the same, however arbitrary bytes are cut', (role) => {
  fc.assert(
    fc.property(wires, cuts, (wire, places) => {
      const whole = take(codec(role), [Buffer.from(wire)], 0);
      expect(whole.plain.length).toBeLessThanOrEqual(wire.length);
      expect(take(codec(role), pieces(wire, places), 0)).toEqual(whole);
    }),
    { numRuns: 2_000 },
  );
});

it.each(roles)('what a %s seals its peer opens, however it is cut', (role) => {
  const writes = fc.array(fc.uint8Array({ minLength: 1, maxLength: 70_000 }), { maxLength: 4 });
  fc.assert(
    fc.property(writes, cuts, (plains, places) => {
      const sender = codec(role);
      const receiver = codec(role === 'client' ? 'server' : 'client');
      const wire = Buffer.concat(plains.flatMap((plain) => sender.seal(plain)));
      const { plain, outcome } = take(receiver, pieces(wire, places), 0);
      expect(outcome).toBe('ok');
      expect(plain.equals(Buffer.concat(plains))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

describe('hard cases', () => {
  it.each(hardCases('websocket-frames.txt'))('$receiver: $why', ({ receiver, wire, outcome }) => {
    const role = receiver as WebsocketRole;
    const whole = take(codec(role), [Buffer.from(wire)], 0);
    expect(whole.outcome).toBe<Outcome>(outcome as Outcome);
    for (let at = 0; at <= wire.length; at++) {
      expect(take(codec(role), pieces(wire, [at]), 0)).toEqual(whole);
    }
    expect(
      take(
        codec(role),
        [...wire].map((byte) => Buffer.of(byte)),
        0,
      ),
    ).toEqual(whole);
  });
});
