/** Every Noise pattern, cipher and hash that can be configured (wire-v1 4.3), between two engines. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseNoisePattern } from '../../ts/config/noise-pattern.ts';
import type { TransportSpec } from '../../ts/engine/spec.ts';
import { newPrivateKey, publicOf } from '../helpers/peer-noise.ts';
import { ClientSide, publicAddress, ServerSide, TRANSPORT } from './control-plane.ts';
import type { World } from './world.ts';

const INITIATORS = ['N', 'X', 'X1', 'K', 'K1', 'I', 'I1'];
const RESPONDERS = ['N', 'K', 'K1', 'X', 'X1'];
const SUITES = ['ChaChaPoly', 'AESGCM'].flatMap((cipher) =>
  ['BLAKE2s', 'BLAKE2b', 'SHA256', 'SHA512'].map((hash) => `25519_${cipher}_${hash}`),
);
const SHAPES = INITIATORS.flatMap((first) => RESPONDERS.map((second) => first + second));
/** Every shape with one suite, the suites in turn; and every suite with one shape. */
const PATTERNS = [
  ...SHAPES.map((shape, index) => `Noise_${shape}_${SUITES[index % SUITES.length]}`),
  ...SUITES.map((suite) => `Noise_XX_${suite}`),
];

export function noisePatterns(world: World): void {
  describe('every Noise pattern', () => {
    it.each([...new Set(PATTERNS)])('%s', async (pattern) => {
      expect(parseNoisePattern(pattern)).toBeDefined();
      const [serverKey, clientKey] = [newPrivateKey(), newPrivateKey()];
      // A key that the pattern transmits is compared (W21), so both are told where there is one.
      const [, letters = ''] = pattern.split('_');
      const [hasClientKey, hasServerKey] = [!/^N/.test(letters), !/N$/.test(letters)];
      const server = new ServerSide(
        await world.engine({}, 'server'),
        noise(pattern, serverKey, hasClientKey ? clientKey : undefined),
      );
      await server.listen();
      const exposed = server.expose();
      const local = await world.echo();
      const client = new ClientSide(
        await world.engine({}, 'client'),
        { local: local.address },
        noise(pattern, clientKey, hasServerKey ? serverKey : undefined),
      );
      await client.connect(server.address);
      const visitor = await world.connect(await publicAddress(exposed));
      const bytes = randomBytes(200_000);
      void visitor.write(bytes);
      expect((await visitor.read(bytes.length)).equals(bytes)).toBe(true);
      await visitor.end();
      await visitor.fin();
    });
  });
}

function noise(pattern: string, own: Buffer, peer: Buffer | undefined): TransportSpec {
  return {
    type: 'noise',
    tcp: TRANSPORT.tcp,
    noise: {
      pattern,
      localPrivateKey: own,
      remotePublicKey: peer === undefined ? undefined : publicOf(peer),
    },
  };
}
