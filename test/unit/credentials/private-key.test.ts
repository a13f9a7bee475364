/** Which private keys TLS can use: on both engines the same. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { privateKeyOf } from '../../../ts/credentials/private-key.ts';

/** Large keys take as long as chance wants. */
const HANGS_MS = 60_000;

function rsa(bits: number): string {
  const options = { modulusLength: bits, publicExponent: 0x1_0001 };
  const { privateKey } = generateKeyPairSync('rsa', options);
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}

test.each([2_048])(
  'an RSA key of %i bits is taken',
  (bits) => {
    expect(privateKeyOf(Buffer.from(rsa(bits))).asymmetricKeyDetails?.modulusLength).toBe(bits);
  },
  HANGS_MS,
);
