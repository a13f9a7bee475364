import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { expect, test } from 'vitest';
import { isNoiseKey } from '../../../ts/config/noise-pattern.ts';
import {
  generateNoiseKeys,
  isOfSmallOrder,
  processNoiseKey,
} from '../../../ts/credentials/noise-keys.ts';

/** Raw keys behind the fixed head of their DER form (RFC 8410). */
function der(head: string, raw: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(head, 'hex'), raw]);
}

function privateX25519(raw: Uint8Array) {
  const key = der('302e020100300506032b656e04220420', raw);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

function publicX25519(raw: Uint8Array) {
  return createPublicKey({
    key: der('302a300506032b656e032100', raw),
    format: 'der',
    type: 'spki',
  });
}

test('a pair is 32 bytes each, belongs together, and is another one each time', () => {
  const [a, b] = [generateNoiseKeys(), generateNoiseKeys()];
  for (const { privateKey, publicKey } of [a, b]) {
    expect([privateKey.length, publicKey.length]).toEqual([32, 32]);
    expect(isNoiseKey(Buffer.from(privateKey).toString('base64'))).toBe(true);
  }
  const shared = (mine: Uint8Array, theirs: Uint8Array) =>
    diffieHellman({ privateKey: privateX25519(mine), publicKey: publicX25519(theirs) });
  expect(shared(a.privateKey, b.publicKey)).toEqual(shared(b.privateKey, a.publicKey));
  expect(a.privateKey).not.toEqual(b.privateKey);
});

test('the key of a process is made once', () => {
  expect(processNoiseKey()).toHaveLength(32);
  expect(processNoiseKey()).toBe(processNoiseKey());
});

test('keys of small order are known, and others are none', () => {
  const key = (hex: string): Buffer => Buffer.from(hex, 'hex');
  for (const small of [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    `ec${'ff'.repeat(30)}7f`,
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
    // The highest bit means nothing.
    `${'00'.repeat(31)}80`,
  ]) {
    expect([small, isOfSmallOrder(key(small))]).toEqual([small, true]);
  }
  expect(isOfSmallOrder(generateNoiseKeys().publicKey)).toBe(false);
});
