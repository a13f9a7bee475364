/**
 * docs/wire.md, section 3: the system has no address of a visitor that reset its connection before it was
 * accepted, as a port scan does. Its START is nevertheless one that a client understands: else each such
 * visitor costs a channel.
 */
import { expect, test } from 'vitest';
import { decodeOrigin, encodeOrigin } from '../../ts/dataplane/origin.ts';

const UNKNOWN = { host: '', port: 0 };

test.each([
  ['IPv4', { host: '127.0.0.1', port: 80 }, { host: '127.0.0.1', port: 8_080 }],
  ['IPv6', { host: '2001:db8::1', port: 80 }, { host: '2001:db8::2', port: 8_080 }],
])('a visitor without an address, at %s, is a number only', (_family, reached, visitor) => {
  for (const addresses of [
    { visitor: UNKNOWN, reached },
    { visitor, reached: UNKNOWN },
  ]) {
    const payload = encodeOrigin({ visitor: 7n, addresses });
    expect(decodeOrigin(payload)).toEqual({ visitor: 7n, addresses: undefined });
  }
  const known = { visitor: 7n, addresses: { visitor, reached } };
  expect(decodeOrigin(encodeOrigin(known))).toEqual(known);
});
