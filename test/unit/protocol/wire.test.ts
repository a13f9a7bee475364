import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  ACK_BAD_TOKEN,
  ACK_NO_SERVICE,
  ACK_OK,
  COMMAND_CREATE,
  COMMAND_HEARTBEAT,
  decodeAck,
  decodeHello,
  digestsEqual,
  encodeControlHello,
  encodeDataHello,
  HELLO_LENGTH,
  START_TCP,
  START_UDP,
  serviceDigest,
  sessionKey,
} from '../../../ts/protocol/wire.ts';
import { bytes, hex, WIRE_VECTORS as V } from '../../helpers/vectors.ts';

describe('wire v1 vectors', () => {
  it('control hello of a service', () => {
    expect(hex(encodeControlHello(serviceDigest('foo')))).toBe(V.hello_control_foo);
  });

  it('server hello with a nonce', () => {
    expect(hex(encodeControlHello(bytes(V.nonce)))).toBe(V.hello_server);
  });

  it('auth, and the data hello with the same key', () => {
    const key = sessionKey('t', bytes(V.nonce));
    expect(hex(key)).toBe(V.auth_token_t);
    expect(hex(encodeDataHello(key))).toBe(V.hello_data);
  });

  it('acks and commands', () => {
    expect({
      ok: hex(ACK_OK),
      no_service: hex(ACK_NO_SERVICE),
      bad_token: hex(ACK_BAD_TOKEN),
    }).toEqual(V.ack);
    expect({ create: hex(COMMAND_CREATE), heartbeat: hex(COMMAND_HEARTBEAT) }).toEqual(
      V.control_cmd,
    );
    expect({ tcp: hex(START_TCP), udp: hex(START_UDP) }).toEqual(V.data_cmd);
  });

  it('names and tokens are UTF-8', () => {
    expect(hex(serviceDigest('café'))).toBe(
      '850f7dc43910ff890f8879c0ed26fe697c93a067ad93a7d50f466a7028a9bf4e',
    );
    expect(hex(sessionKey('pässwörd', bytes(V.nonce)))).toBe(
      '59b05ee422344247583ca52fc48bbf28b17aaba8a4dd0e3044a9e911b183d160',
    );
  });

  it('the empty name and the empty token are hashed like any other', () => {
    expect(hex(serviceDigest(''))).toBe(createHash('sha256').digest('hex'));
    const nonce = bytes(V.nonce);
    expect(hex(sessionKey('', nonce))).toBe(createHash('sha256').update(nonce).digest('hex'));
  });
});

describe('decodeHello', () => {
  it('tells control from data and gives the digest', () => {
    const nonce = V.nonce;
    expect(decodeHello(bytes(V.hello_server))).toEqual({ kind: 'control', digest: bytes(nonce) });
    expect(decodeHello(bytes(V.hello_data))).toEqual({
      kind: 'data',
      digest: bytes(V.auth_token_t),
    });
  });

  it('gives a digest of its own, not a view of what it read', () => {
    const hello = bytes(V.hello_server);
    const decoded = decodeHello(hello);
    hello.fill(0xff);
    expect(decoded).toEqual({ kind: 'control', digest: bytes(V.nonce) });
  });

  it('refuses every version but 1', () => {
    for (let version = 0; version < 256; version++) {
      const hello = bytes(V.hello_data).with(4, version);
      const expected = version === 1 ? { kind: 'data' } : { kind: 'bad', cause: 'version' };
      expect(decodeHello(hello)).toMatchObject(expected);
    }
  });

  it('refuses every kind but 0 and 1, read as u32 little-endian', () => {
    for (const at of [0, 1, 2, 3]) {
      const hello = bytes(V.hello_data).with(at, 2);
      expect(decodeHello(hello)).toEqual({ kind: 'bad', cause: 'kind' });
    }
  });

  it('reads a hello that is a view into a larger buffer', () => {
    const large = Buffer.concat([Buffer.alloc(3, 9), bytes(V.hello_data), Buffer.alloc(5, 9)]);
    expect(decodeHello(large.subarray(3, 3 + HELLO_LENGTH))).toMatchObject({ kind: 'data' });
  });
});

describe('decodeAck', () => {
  it('knows 0, 1 and 2 and nothing else', () => {
    expect(decodeAck(ACK_OK)).toBe('ok');
    expect(decodeAck(ACK_NO_SERVICE)).toBe('no_service');
    expect(decodeAck(ACK_BAD_TOKEN)).toBe('bad_token');
    expect(decodeAck(Uint8Array.of(3, 0, 0, 0))).toBe('unknown');
    expect(decodeAck(Uint8Array.of(0, 0, 0, 1))).toBe('unknown');
  });
});

describe('digestsEqual', () => {
  const digest = sessionKey('t', bytes(V.nonce));

  it('W26: compares whole digests, a difference anywhere counts', () => {
    expect(digestsEqual(digest, Uint8Array.from(digest))).toBe(true);
    for (let at = 0; at < digest.length; at++) {
      const other = Uint8Array.from(digest);
      other[at] = (other[at] ?? 0) ^ 1;
      expect(digestsEqual(digest, other)).toBe(false);
    }
  });

  it('W26: different lengths are unequal, not an error as in timingSafeEqual', () => {
    expect(digestsEqual(digest, digest.subarray(0, 31))).toBe(false);
    expect(digestsEqual(new Uint8Array(0), digest)).toBe(false);
    expect(digestsEqual(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  });
});
