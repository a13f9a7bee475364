import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeChannels,
  encodeGaveUp,
  type Frame,
  FrameReader,
} from '../../../ts/dataplane/frames.ts';

const TYPES = { channels: 1, heartbeat: 2, drain: 3, gaveUp: 4 };

function frame(type: number, payload: Uint8Array, length = payload.length): Buffer {
  const head = Buffer.alloc(4);
  head[0] = type;
  head.writeUIntLE(length, 1, 3);
  return Buffer.concat([head, payload]);
}

function read(...chunks: readonly Uint8Array[]): Frame[] {
  const reader = new FrameReader(TYPES);
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    reader.feed(Buffer.from(chunk));
    for (let one = reader.next(); one !== undefined; one = reader.next()) {
      frames.push(one);
      if (one.kind === 'bad') return frames;
    }
  }
  return frames;
}

describe('frames of the control channel', () => {
  it('are read as docs/wire.md has them', () => {
    const bytes = Buffer.from(
      '01020000' +
        '0301' +
        '02000000' +
        '03040000' +
        'ffffffff' +
        '04090000' +
        '0807060504030201' +
        '05',
      'hex',
    );
    expect(read(bytes)).toEqual([
      { kind: 'channels', count: 0x0103 },
      { kind: 'heartbeat' },
      { kind: 'drain' },
      { kind: 'gave up', visitor: 0x0102030405060708n, reason: 5 },
    ]);
  });

  it('are written so that they are read', () => {
    const bytes = Buffer.concat([encodeChannels(TYPES, 7), encodeGaveUp(TYPES, 2n ** 63n, 255)]);
    expect(bytes.toString('hex')).toBe('010200000700' + '0409000000000000000000' + '80ff');
    expect(read(bytes)).toEqual([
      { kind: 'channels', count: 7 },
      { kind: 'gave up', visitor: 2n ** 63n, reason: 255 },
    ]);
  });

  it('more channels than one frame can say are said in several', () => {
    expect(read(encodeChannels(TYPES, 70_000))).toEqual([
      { kind: 'channels', count: 65_535 },
      { kind: 'channels', count: 4_465 },
    ]);
  });

  it('come out the same wherever they are cut; what is not known is passed over', () => {
    const one = fc.oneof(
      fc.nat(65_535).map((count) => [encodeChannels(TYPES, count), `channels ${count}`] as const),
      fc
        .tuple(fc.constantFrom(2, 3, 9, 200), fc.uint8Array({ minLength: 4, maxLength: 40 }))
        .map(([type, payload]) => [frame(type, payload), `type ${type}`] as const),
      fc
        .tuple(
          fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          fc.nat(255),
          fc.uint8Array({ maxLength: 30 }),
        )
        .map(([visitor, reason, surplus]) => {
          const payload = encodeGaveUp(TYPES, visitor, reason).subarray(4);
          const bytes = frame(4, Buffer.concat([payload, surplus]));
          return [bytes, `gave up ${visitor} ${reason}`] as const;
        }),
    );
    const text = (found: Frame): string => {
      if (found.kind === 'channels') return `channels ${found.count}`;
      if (found.kind === 'gave up') return `gave up ${found.visitor} ${found.reason}`;
      return found.kind;
    };
    const names: Record<string, string> = { 'type 2': 'heartbeat', 'type 3': 'drain' };
    fc.assert(
      fc.property(fc.array(one, { maxLength: 10 }), fc.array(fc.nat()), (all, places) => {
        const bytes = Buffer.concat(all.map(([encoded]) => encoded));
        const at = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
        const chunks = [0, ...at].map((from, index) => bytes.subarray(from, at[index]));
        const wanted = all
          .filter(([encoded]) => encoded.length > 4)
          .map(([, name]) => names[name] ?? (name.startsWith('type') ? 'unknown' : name));
        expect(read(...chunks).map(text)).toEqual(wanted);
      }),
    );
  });

  it.each([
    ['longer than 4,096 bytes', frame(9, Buffer.alloc(0), 4_097)],
    ['channels without a number', frame(1, Buffer.alloc(1))],
    ['drain without its time', frame(3, Buffer.alloc(3))],
    ['gave up without a reason', frame(4, Buffer.alloc(8))],
  ])('%s: bad, and nothing is read behind it', (_name, bytes) => {
    expect(read(bytes, frame(2, Buffer.alloc(0)))).toEqual([{ kind: 'bad' }]);
  });

  it('the longest one that is unknown is passed over, byte by byte', () => {
    const long = frame(77, Buffer.alloc(4_096, 1));
    const bytes = Buffer.concat([long, frame(2, Buffer.alloc(0))]);
    expect(read(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual([
      { kind: 'unknown' },
      { kind: 'heartbeat' },
    ]);
  });
});
