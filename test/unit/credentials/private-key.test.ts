/** Which private keys TLS can use: on both engines the same. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { privateKeyOf } from '../../../ts/credentials/private-key.ts';

/** Large keys take as long as chance wants. */
const HANGS_MS = 60_000;

function rsa(bits: number): Buffer {
  const options = { modulusLength: bits, publicExponent: 0x1_0001 };
  const { privateKey } = generateKeyPairSync('rsa', options);
  return Buffer.from(privateKey.export({ format: 'pem', type: 'pkcs8' }));
}

test('an RSA key of 2048 bits is taken', { timeout: HANGS_MS }, () => {
  expect(privateKeyOf(rsa(2_048)).asymmetricKeyDetails?.modulusLength).toBe(2_048);
});

// The Rust engine signs with 2048 to 4096.
test.each([1_024, 4_104])('an RSA key of %i bits is refused', { timeout: HANGS_MS }, (bits) => {
  expect(() => privateKeyOf(rsa(bits))).toThrow(`an RSA key of ${bits} bits cannot be used`);
});
