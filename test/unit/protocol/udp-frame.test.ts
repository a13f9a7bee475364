import { describe, expect, it } from 'vitest';
import {
  addressOfKey,
  encodeFrame,
  encodeFramePrefix,
  keyOfPrefix,
  prefixOfKey,
  UdpFrameDecoder,
} from '../../../ts/protocol/udp-frame.ts';
import { bytes, hex, WIRE_VECTORS } from '../../helpers/vectors.ts';

interface Decoded {
  readonly host: string;
  readonly port: number;
  readonly payload: string;
}

function decodeAll(chunks: readonly Uint8Array[]): { frames: Decoded[]; ok: boolean } {
  const decoder = new UdpFrameDecoder();
  const frames: Decoded[] = [];
  let ok = true;
  for (const chunk of chunks) {
    ok = decoder.push(chunk, ({ key, payload }) => {
      frames.push({ ...addressOfKey(key), payload: hex(payload) });
    });
    if (!ok) break;
  }
  return { frames, ok };
}

describe('udp frame vectors', () => {
  it.each(WIRE_VECTORS.udp)('$ip:$port "$data" both ways', ({ ip, port, data, frame }) => {
    expect(hex(encodeFrame(encodeFramePrefix(ip, port), bytes(data)))).toBe(frame);
    const { frames, ok } = decodeAll([bytes(frame)]);
    expect(ok).toBe(true);
    expect(frames).toEqual([{ host: ip, port, payload: data }]);
  });
});

describe('udp frame encoder', () => {
  it.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['2001:db8:0:0:8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['fe80::1%2', 'fe800000000000000000000000000001'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['::ffff:c000:201', '00000000000000000000ffffc0000201'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::2:3:4:5:6:7:8', '00000002000300040005000600070008'],
    ['0:0:0:0:0:0:13.1.68.3', '0000000000000000000000000d014403'],
  ])('writes the octets of %s', (host, octets) => {
    expect(hex(encodeFramePrefix(host, 53)).slice(10, 42)).toBe(octets);
  });

  it('keeps an IPv4-mapped address a family of its own', () => {
    const mapped = keyOfPrefix(encodeFramePrefix('::ffff:192.0.2.1', 53));
    const plain = keyOfPrefix(encodeFramePrefix('192.0.2.1', 53));
    expect(mapped).not.toBe(plain);
    expect(addressOfKey(mapped)).toEqual({ host: '::ffff:192.0.2.1', port: 53 });
    expect(addressOfKey(plain)).toEqual({ host: '192.0.2.1', port: 53 });
  });

  it('W33: makes one buffer of a frame', () => {
    const prefix = encodeFramePrefix('192.0.2.1', 53);
    const frame = encodeFrame(prefix, Buffer.from('x'));
    expect(frame).toHaveLength(1 + 12 + 1);
  });

  it('has a prefix for every key and a key for every prefix', () => {
    for (const host of ['192.0.2.1', '::1', '::ffff:192.0.2.1', '0.0.0.0', '255.255.255.255']) {
      for (const port of [0, 1, 255, 256, 65_535]) {
        const prefix = encodeFramePrefix(host, port);
        expect(prefixOfKey(keyOfPrefix(prefix))).toEqual(prefix);
        expect(addressOfKey(keyOfPrefix(prefix)).port).toBe(port);
      }
    }
  });
});

describe('udp frame decoder', () => {
  const frame = '0c000000007f000001282302006869';
  const expected = { host: '127.0.0.1', port: 9_000, payload: '6869' };

  it('ignores header bytes behind N', () => {
    const longer = '0e000000007f00000128230200aabb6869';
    expect(decodeAll([bytes(longer + frame)])).toEqual({ ok: true, frames: [expected, expected] });
    const longest = `ff000000007f00000128230200${'cc'.repeat(255 - 12)}6869`;
    expect(decodeAll([bytes(longest + frame)])).toEqual({ ok: true, frames: [expected, expected] });
  });

  it('takes the family from its tag, not from the length of the header', () => {
    const surplus = `18000000007f00000128230200${'00'.repeat(12)}6869`;
    expect(decodeAll([bytes(surplus)]).frames).toEqual([expected]);
  });

  it('gives frames of one chunk one by one, in order', () => {
    const empty = '0c000000007f00000128230000';
    const { frames } = decodeAll([bytes(frame + empty + frame)]);
    expect(frames).toEqual([expected, { ...expected, payload: '' }, expected]);
  });

  it('gives a datagram of 65535 bytes whole', () => {
    const payload = Buffer.alloc(65_535, 7);
    const whole = encodeFrame(encodeFramePrefix('::1', 1), payload);
    const { frames, ok } = decodeAll([whole.subarray(0, 60_000), whole.subarray(60_000)]);
    expect(ok).toBe(true);
    expect(frames[0]?.payload).toHaveLength(2 * 65_535);
  });

  it('keeps nothing behind the last whole frame', () => {
    const decoder = new UdpFrameDecoder();
    let count = 0;
    for (let index = 0; index < 100; index++) {
      expect(decoder.push(bytes(frame), () => count++)).toBe(true);
    }
    expect(count).toBe(100);
  });

  it.each([
    ['an empty header', '00'],
    ['a header of one byte', '01aa'],
    ['a header that cannot hold a tag', '03000000'],
    ['a header that cannot hold an address', '04000000007f000001'],
    ['a header that lacks its last byte', '0b000000007f0000012823020068'],
    ['an IPv6 header that is as short as one of IPv4', '0c010000007f00000128230000'],
    ['an IPv6 header that lacks its last byte', `17010000${'00'.repeat(40)}`],
    ['family 2', '0c020000007f00000128230000'],
    ['a family whose high bytes are set', '0c000000017f00000128230000'],
  ])('%s is malformed', (_name, text) => {
    expect(decodeAll([bytes(text)])).toEqual({ ok: false, frames: [] });
    const split = [...bytes(text)].map((byte) => Uint8Array.of(byte));
    expect(decodeAll(split)).toEqual({ ok: false, frames: [] });
  });

  it('gives the frames in front of a malformed one', () => {
    expect(decodeAll([bytes(`${frame}00`)])).toEqual({ ok: false, frames: [expected] });
  });
});
