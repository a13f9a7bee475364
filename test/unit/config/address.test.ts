import { describe, expect, test } from 'vitest';
import { canonicalHost, formatAddress, overlap, parseAddress } from '../../../ts/config/address.ts';
import type { HostPort } from '../../../ts/config/config.ts';

function address(text: string): HostPort {
  const result = parseAddress(text);
  if (!result.ok) throw new Error(result.reason);
  return result.address;
}

describe('parseAddress', () => {
  test.each([
    ['127.0.0.1:80', '127.0.0.1', 80],
    ['[::1]:80', '::1', 80],
    ['::1:80', '::1', 80],
    ['[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
    ['example.com:0080', 'example.com', 80],
    ['h:+80', 'h', 80],
    ['h:65535', 'h', 65535],
    ['h:0', 'h', 0],
    ['BÜcher.example:80', 'xn--bcher-kva.example', 80],
    ['例え.テスト:80', 'xn--r8jz45g.xn--zckzah', 80],
    ['Plain_Name.example.:80', 'Plain_Name.example.', 80],
  ])('reads %s', (text, host, port) => {
    expect(address(text)).toEqual({ host, port });
  });

  test.each([
    ['', 'has no port'],
    ['h', 'has no port'],
    ['h:', 'no port after the last colon'],
    [':80', 'no host'],
    ['h:65536', 'above 65535'],
    ['h:-1', 'not a number'],
    ['h:0x50', 'not a number'],
    ['h: 80', 'not a number'],
    ['[::1]', 'no port after the bracket'],
    ['[::1]x:80', 'no port after the bracket'],
    ['[h]:80', 'no IPv6 address'],
    ['a b:80', 'no host has'],
    ['a\u0000b:80', 'no host has'],
    ['a\u007fb:80', 'no host has'],
    ['ü\u00a0b:80', 'no host has'],
    ['ü?b:80', 'no host has'],
    ['ü%62:80', 'no host has'],
    ['xn--ü:80', 'no host has'],
    ['a:b:80', 'no address'],
    ['http://h:80', 'no host has'],
  ])('refuses "%s" with a reason', (text, reason) => {
    const result = parseAddress(text);
    expect(result.ok ? '' : result.reason).toContain(reason);
  });

  test('formats back with brackets', () => {
    expect(formatAddress(address('::1:80'))).toBe('[::1]:80');
    expect(formatAddress(address('h:080'))).toBe('h:80');
  });
});

describe('overlap', () => {
  test.each([
    ['127.0.0.1:80', '127.1:080', 'same'],
    ['[::1]:80', '[0:0:0:0:0:0:0:1]:80', 'same'],
    ['[::ffff:127.0.0.1]:80', '127.0.0.1:80', 'same'],
    ['Host:80', 'hOST:80', 'same'],
    ['127.0.0.1:80', '127.0.0.1:81', 'none'],
    ['127.0.0.1:0', '127.0.0.1:0', 'none'],
    ['127.0.0.1:80', '127.0.0.2:80', 'none'],
    ['0.0.0.0:80', '127.0.0.1:80', 'wildcard'],
    ['127.0.0.1:80', '[::]:80', 'wildcard'],
    ['0.0.0.0:80', '[::]:80', 'wildcard'],
    ['0.0.0.0:80', '[::1]:80', 'none'],
  ] as const)('%s and %s: %s', (left, right, relation) => {
    expect(overlap(address(left), address(right))).toBe(relation);
    expect(overlap(address(right), address(left))).toBe(relation);
  });

  test('keeps an IPv6 zone', () => {
    expect(canonicalHost('FE80::1%eth0')).toBe('fe80::1%eth0');
  });
});
