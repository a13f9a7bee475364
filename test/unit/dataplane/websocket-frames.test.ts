import { describe, expect, it } from 'vitest';
import { WebsocketFrames } from '../../../ts/dataplane/transport/websocket-frames.ts';
import { applyMask } from '../../../ts/dataplane/transport/websocket-mask.ts';
import { opened, sealed } from '../../helpers/handshakes.ts';
import { bytes, hex, WIRE_VECTORS } from '../../helpers/vectors.ts';

const MASK = Buffer.from(WIRE_VECTORS.ws.mask, 'hex');
const NOTHING = { plain: '', ended: false, reply: undefined, fault: undefined };

/** A frame as a client sends it, masked; `first`: flags and opcode. */
function masked(first: number, payload: string | Buffer, length?: Buffer): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1');
  const short = bytes.length < 126 ? Buffer.of(bytes.length) : Buffer.of(126, 0, 0);
  if (short.length > 1) short.writeUInt16BE(bytes.length, 1);
  const size = length ?? short;
  size[0] = (size[0] ?? 0) | 0x80;
  const body = bytes.map((byte, at) => byte ^ (MASK[at & 3] ?? 0));
  return Buffer.concat([Buffer.of(first), size, MASK, body]);
}

const unmasked = (first: number, payload: string): Buffer =>
  Buffer.concat([Buffer.of(first, payload.length), Buffer.from(payload)]);

const server = (ours = true): WebsocketFrames => new WebsocketFrames('server', ours);
const client = (ours = true): WebsocketFrames => new WebsocketFrames('client', ours);

describe('wire-v1 4.4', () => {
  it('a hello in a masked frame is read', () => {
    const { plain } = opened(server(), bytes(WIRE_VECTORS.ws.hello_control_foo_masked));
    expect(Buffer.from(plain, 'latin1').toString('hex')).toBe(WIRE_VECTORS.hello_control_foo);
  });

  it('a hello is sealed in the frame of the vector, but for the mask', () => {
    const frame = sealed(client(), bytes(WIRE_VECTORS.hello_control_foo));
    expect(hex(frame.subarray(0, 2))).toBe('82a5');
    const key = frame.subarray(2, 6);
    const plain = frame.subarray(6).map((byte, at) => byte ^ (key[at & 3] ?? 0));
    expect(hex(plain)).toBe(WIRE_VECTORS.hello_control_foo);
    expect(hex(sealed(client(), bytes('00'))).slice(4, 12)).not.toBe(hex(key));
  });

  it('the server’s hello is that of the vector, both ways', () => {
    const vector = WIRE_VECTORS.ws.hello_server_unmasked;
    expect(hex(sealed(server(), bytes(WIRE_VECTORS.hello_server)))).toBe(vector);
    expect(opened(client(), bytes(vector)).plain).toHaveLength(37);
  });
});

describe('sealing', () => {
  it.each([
    [1, 2],
    [125, 2],
    [126, 4],
    [4_096, 4],
    [4_097, 4],
    [65_535, 4],
    [65_536, 6],
    [200_000, 16],
  ])('%i bytes need %i bytes of heads, and come out as they were', (length, heads) => {
    const plain = Buffer.alloc(length, 'abcdefg');
    const before = Buffer.from(plain);
    const fromServer = sealed(server(), plain);
    expect(fromServer.length).toBe(length + heads);
    expect(opened(client(), fromServer).plain).toBe(plain.toString());
    const fromClient = sealed(client(), plain);
    expect(opened(server(), fromClient).plain).toBe(plain.toString());
    // Its bytes are the caller's.
    expect(plain.equals(before)).toBe(true);
  });

  it('masks from any place of memory, of any length, in any phase', () => {
    const plain = Buffer.from(Array.from({ length: 100 }, (_, at) => at * 7));
    for (let at = 0; at < 9; at++) {
      for (let length = 0; length < 70; length++) {
        const place = Buffer.alloc(120);
        plain.copy(place, at, 0, length);
        const phase = (at * length) & 3;
        applyMask(place.subarray(at, at + length), MASK, phase);
        const expected = Buffer.alloc(120);
        for (let i = 0; i < length; i++) {
          expected[at + i] = (plain[i] ?? 0) ^ (MASK[(phase + i) & 3] ?? 0);
        }
        expect(place.equals(expected)).toBe(true);
      }
    }
  });
});

describe('opening', () => {
  const message = [
    masked(0x82, 'whole '),
    masked(0x02, 'frag'),
    masked(0x89, 'ping'),
    masked(0x00, 'men'),
    masked(0x80, 'ted '),
    masked(0x82, ''),
    masked(0x8a, 'pong'),
    masked(0x82, 'x'.repeat(300)),
  ];
  const plain = `whole fragmented ${'x'.repeat(300)}`;

  it('frames, fragments and empty messages are one stream of bytes', () => {
    const found = opened(server(), Buffer.concat(message));
    expect(found).toMatchObject({ plain, ended: false, fault: undefined });
  });

  it('byte by byte as well', () => {
    const codec = server();
    const wire = Buffer.concat(message);
    const found = [...wire].map((byte) => opened(codec, Uint8Array.of(byte)));
    expect(found.map((it) => it.plain).join('')).toBe(plain);
    expect(found.filter((it) => it.reply !== undefined)).toHaveLength(1);
  });

  it('a payload is delivered before its frame is complete', () => {
    const codec = server();
    const frame = masked(0x82, 'x'.repeat(100));
    expect(opened(codec, frame.subarray(0, 60)).plain).toBe('x'.repeat(54));
    expect(codec.fin()).toMatchObject({ reason: 'truncated', betweenRecords: false });
    expect(opened(codec, frame.subarray(60)).plain).toBe('x'.repeat(46));
  });

  it('a frame of 16 MiB streams, one of a byte more is bad_record', () => {
    const length = (bytes: number): Buffer => {
      const size = Buffer.alloc(9, 0);
      size[0] = 127;
      size.writeUInt32BE(bytes, 5);
      return size;
    };
    const codec = server();
    const limit = 16 * 1_024 * 1_024;
    expect(opened(codec, masked(0x82, '', length(limit)))).toEqual(NOTHING);
    const piece = Buffer.alloc(65_536);
    for (let at = 0; at < limit; at += piece.length) {
      expect(codec.open(Buffer.from(piece)).plain).toHaveLength(piece.length);
    }
    expect(opened(codec, masked(0x82, 'behind')).plain).toBe('behind');
    expect(opened(server(), masked(0x82, '', length(limit + 1))).fault?.reason).toBe('bad_record');
  });

  it.each<[string, WebsocketFrames, Buffer]>([
    ['text', server(), masked(0x81, 'x')],
    ['a text fragment', server(), masked(0x01, 'x')],
    ['an unknown opcode', server(), masked(0x83, 'x')],
    ['an unknown control opcode', server(), masked(0x8b, 'x')],
    ['a reserved bit', server(), masked(0xc2, 'x')],
    ['a ping that is not the last of its message', server(), masked(0x09, 'x')],
    ['a ping of 126 bytes', server(), masked(0x89, 'x'.repeat(126))],
    ['a continuation of nothing', server(), masked(0x80, 'x')],
    ['a message inside a message', server(), Buffer.concat([masked(2, ''), masked(0x82, 'x')])],
    ['a client that does not mask', server(), unmasked(0x82, 'x')],
    ['a server that masks', client(), masked(0x82, 'x')],
  ])('%s is bad_record', (_name, codec, frame) => {
    const found = opened(codec, frame);
    expect(found.fault?.reason).toBe('bad_record');
    expect(found.plain).toBe('');
  });

  it('what came before a bad frame is delivered, what comes after it is not', () => {
    const wire = [masked(0x82, 'good'), masked(0x81, 'bad'), masked(0x82, 'after')];
    expect(opened(server(), Buffer.concat(wire))).toMatchObject({
      plain: 'good',
      fault: { reason: 'bad_record' },
    });
  });
});

describe('frames without payload', () => {
  const times = (count: number, frame: Buffer): Buffer => Buffer.alloc(count * frame.length, frame);

  it.each([
    ['empty', masked(0x82, '')],
    ['pings', masked(0x89, 'p')],
    ['pongs', masked(0x8a, 'p')],
  ])('%s are taken now and then for ever, and not in a flood', (_name, frame) => {
    const codec = server();
    for (let read = 0; read < 1_000; read++) {
      expect(opened(codec, frame).fault).toBeUndefined();
    }
    expect(opened(codec, times(256, frame)).fault).toBeUndefined();
    expect(opened(codec, times(2, frame)).fault?.reason).toBe('bad_record');
  });

  it('as many as there are others are a way to write messages', () => {
    const message = Buffer.concat([masked(0x02, 'x'), masked(0x80, '')]);
    const found = opened(server(), times(1_000, message));
    expect([found.plain.length, found.fault]).toEqual([1_000, undefined]);
  });
});

describe('pings', () => {
  it('W36: the last one of a read is answered, once, towards a peer that is ours', () => {
    const wire = Buffer.concat([masked(0x89, 'a'), masked(0x89, 'b'), masked(0x82, 'data')]);
    const found = opened(server(), wire);
    expect(found.plain).toBe('data');
    expect(found.reply).toEqual(unmasked(0x8a, 'b'));
    const answer = opened(client(), unmasked(0x89, 'c')).reply;
    expect(answer?.byteLength).toBe(7);
    expect(answer?.[0]).toBe(0x8a);
    expect(answer?.[1]).toBe(0x81);
  });

  it('W36: a stock peer gets no answer', () => {
    expect(opened(server(false), masked(0x89, 'a'))).toEqual(NOTHING);
  });

  it('nothing is answered behind our Close', () => {
    const codec = server();
    codec.finish(false);
    expect(opened(codec, masked(0x89, 'a'))).toEqual(NOTHING);
  });
});

describe('ends', () => {
  it('W35: Close is the end of that direction; what is behind it means nothing', () => {
    const codec = server(false);
    const wire = Buffer.concat([masked(0x82, 'last'), masked(0x88, ''), masked(0x81, 'x')]);
    expect(opened(codec, wire)).toEqual({ ...NOTHING, plain: 'last', ended: true });
    expect(codec.fin()).toBeUndefined();
    expect(opened(client(), sealed(server(), Buffer.from('still'))).plain).toBe('still');
  });

  it('a Close with a code and a reason is a Close', () => {
    expect(opened(server(), masked(0x88, '\x03\xe8bye')).ended).toBe(true);
  });

  it('FIN without Close is truncated, between frames and inside', () => {
    const codec = server();
    expect(codec.fin()).toMatchObject({ reason: 'truncated', betweenRecords: true });
    opened(codec, masked(0x82, 'cut').subarray(0, 1));
    expect(codec.fin()).toMatchObject({ reason: 'truncated', betweenRecords: false });
  });

  it('W35: a client says Close at once, to a stock peer, too, which then just goes', () => {
    const codec = client(false);
    expect(codec.fin()).toMatchObject({ reason: 'truncated' });
    expect(codec.finish(false)).not.toBe('later');
    expect(codec.fin()).toBeUndefined();
  });

  it('W35: a server’s Close waits for the end of a stock peer, and for nobody else', () => {
    expect(server(false).finish(false)).toBe('later');
    expect(server(false).finish(true)).toEqual(Buffer.of(0x88, 0));
    expect(server(true).finish(false)).toEqual(Buffer.of(0x88, 0));
    const close = client(true).finish(false);
    if (close === 'later') throw new Error('it waits');
    expect([...close.subarray(0, 2)]).toEqual([0x88, 0x80]);
    expect(close.byteLength).toBe(6);
    expect(server().sendsFin).toBe(false);
  });
});
