/** Noise patterns beside the default one, between warren and rathole 0.5.0 as real processes. */
import { afterEach, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { Resources } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor, upload } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';
import { noiseLines } from '../helpers/transport-cases.ts';

const SIZE = 1_048_576;
const PATTERNS = [
  'Noise_NK_25519_AESGCM_SHA256',
  'Noise_XX_25519_ChaChaPoly_BLAKE2s',
  'Noise_KK_25519_ChaChaPoly_BLAKE2s',
  'Noise_IK_25519_ChaChaPoly_BLAKE2s',
  'Noise_XX_25519_AESGCM_SHA512',
  'Noise_IK_25519_AESGCM_BLAKE2b',
  'Noise_NN_25519_ChaChaPoly_SHA256',
  // One of the deferred patterns, in which a static key counts one message later.
  'Noise_X1K1_25519_ChaChaPoly_BLAKE2s',
] as const;
const PAIRS = [
  { server: 'rathole', client: 'warren' },
  { server: 'warren', client: 'rathole' },
] as const;

const resources = new Resources();
afterEach(() => resources.close());

describe.skipIf(RATHOLE === undefined).each(PAIRS)('$server server, $client client', (pair) => {
  test.each(PATTERNS)('%s', async (pattern) => {
    const local = await startLocalTcp(resources);
    const lines = noiseLines(pattern);
    const tunnel = await Tunnel.open(resources, {
      ...pair,
      serverKeys: lines.server,
      clientKeys: lines.client,
      services: { web: { local: local.port } },
    });
    const port = tunnel.port('web');
    expect(await upload(port, SIZE)).toBe(blobDigest(SIZE));
    const visitors = await Promise.all(
      Array.from({ length: 20 }, () => EchoVisitor.open(resources, port)),
    );
    await Promise.all(visitors.map((visitor) => visitor.ping()));
  });
});
