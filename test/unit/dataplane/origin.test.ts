import { describe, expect, it } from 'vitest';
import { decodeOrigin, encodeOrigin } from '../../../ts/dataplane/origin.ts';

const IPV4 = {
  visitor: 0x0102030405060708n,
  addresses: {
    visitor: { host: '192.0.2.1', port: 0x1234 },
    reached: { host: '198.51.100.7', port: 443 },
  },
};
const IPV6 = {
  visitor: 2n ** 64n - 1n,
  addresses: {
    visitor: { host: '2001:db8::1', port: 65_535 },
    reached: { host: '::1', port: 1 },
  },
};

describe('the origin of a use', () => {
  it('is as docs/wire.md has it', () => {
    const bytes = '0807060504030201' + '04' + 'c0000201' + '3412' + 'c6336407' + 'bb01';
    expect(encodeOrigin(IPV4).toString('hex')).toBe(bytes);
    expect(encodeOrigin({ ...IPV4, addresses: undefined }).toString('hex')).toBe(
      bytes.slice(0, 16),
    );
  });

  it.each([IPV4, IPV6])('is read as it was written', (origin) => {
    expect(decodeOrigin(encodeOrigin(origin))).toEqual(origin);
  });

  it('a zone of an address does not travel', () => {
    const visitor = { host: 'fe80::1%eth0', port: 5 };
    const addresses = { ...IPV6.addresses, visitor };
    const read = decodeOrigin(encodeOrigin({ visitor: 1n, addresses }));
    expect(read?.addresses?.visitor).toEqual({ host: 'fe80::1', port: 5 });
  });

  it('surplus bytes are skipped', () => {
    const bytes = Buffer.concat([encodeOrigin(IPV6), Buffer.from('more')]);
    expect(decodeOrigin(bytes)).toEqual(IPV6);
    expect(decodeOrigin(bytes.subarray(0, 8))).toEqual({ ...IPV6, addresses: undefined });
  });

  it.each([IPV4, IPV6])('one that is cut is none', (origin) => {
    const bytes = encodeOrigin(origin);
    for (let length = 0; length < bytes.length; length++) {
      if (length !== 8) expect(decodeOrigin(bytes.subarray(0, length))).toBeUndefined();
    }
  });

  it.each([0, 5, 255])('there is no family %i', (family) => {
    const bytes = encodeOrigin(IPV6);
    bytes[8] = family;
    expect(decodeOrigin(bytes)).toBeUndefined();
  });
});
