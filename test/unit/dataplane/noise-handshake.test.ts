import { describe, expect, it } from 'vitest';
import { noiseHandshake } from '../../../ts/dataplane/transport/noise.ts';
import { keyPairFrom } from '../../../ts/dataplane/transport/noise-primitives.ts';
import type { NoiseSpec } from '../../../ts/engine/spec.ts';
import { HandshakeSide, handshakes, opened, sealed } from '../../helpers/handshakes.ts';
import { bytes, hex, WIRE_VECTORS } from '../../helpers/vectors.ts';

const NK = 'Noise_NK_25519_ChaChaPoly_BLAKE2s';
const serverKey = Buffer.alloc(32, 1);
const clientKey = Buffer.alloc(32, 2);
const strangerKey = Buffer.alloc(32, 3);
const publicOf = (key: Uint8Array): Buffer => keyPairFrom(key).publicKey;

function spec(
  pattern: string,
  localPrivateKey: Uint8Array,
  remotePublicKey?: Uint8Array,
): NoiseSpec {
  return { pattern, localPrivateKey, remotePublicKey };
}

/** Client and server that know each other, but for what is given. */
function pair(
  pattern: string,
  changes: { client?: Partial<NoiseSpec>; server?: Partial<NoiseSpec> },
) {
  const client = { ...spec(pattern, clientKey, publicOf(serverKey)), ...changes.client };
  const server = { ...spec(pattern, serverKey, publicOf(clientKey)), ...changes.server };
  return handshakes(noiseHandshake(client, 'initiator'), noiseHandshake(server, 'responder'));
}

describe('wire-v1 4.3', () => {
  const vector = WIRE_VECTORS.noise_nk;
  const server = spec(NK, bytes(vector.s_priv));
  const client = spec(NK, clientKey, publicOf(bytes(vector.s_priv)));
  const shake = (split: boolean) =>
    handshakes(
      noiseHandshake(client, 'initiator', bytes(vector.ei_priv)),
      noiseHandshake(server, 'responder', bytes(vector.er_priv)),
      split,
    );

  it.each([false, true])('NK is that of the vector, byte by byte: %s', (split) => {
    const { first, second } = shake(split);
    expect(hex(first.shaken.sent)).toBe(vector.wire_m1);
    expect(hex(second.shaken.sent)).toBe(vector.wire_m2);

    const hello = bytes(WIRE_VECTORS.hello_control_foo);
    expect(hex(sealed(first.ready, hello))).toBe(vector.c2s_0_hello_foo);
    expect(hex(sealed(first.ready, bytes(WIRE_VECTORS.auth_token_t)))).toBe(vector.c2s_1_auth_t);
    const answer = bytes(WIRE_VECTORS.hello_server);
    expect(hex(sealed(second.ready, answer))).toBe(vector.s2c_0_hello);
    expect(hex(sealed(second.ready, bytes(WIRE_VECTORS.ack.ok)))).toBe(vector.s2c_1_ack_ok);

    const came = opened(second.ready, bytes(vector.c2s_0_hello_foo + vector.c2s_1_auth_t));
    expect(Buffer.from(came.plain, 'latin1').toString('hex')).toBe(
      WIRE_VECTORS.hello_control_foo + WIRE_VECTORS.auth_token_t,
    );
  });

  it('what comes behind the handshake is left for the codec', () => {
    const { first } = shake(false);
    const side = new HandshakeSide(noiseHandshake(server, 'responder', bytes(vector.er_priv)));
    side.feed(Buffer.concat([first.shaken.sent, bytes(vector.c2s_0_hello_foo)]));
    expect(hex(side.shaken.rest)).toBe(vector.c2s_0_hello_foo);
    expect(opened(side.ready, side.shaken.rest).plain).toHaveLength(37);
  });
});

describe('keys', () => {
  const patterns = ['NN', 'NK', 'NX', 'KN', 'KK', 'KX', 'XN', 'XK', 'XX', 'IN', 'IK', 'IX'];
  const deferred = ['NK1', 'NX1', 'X1N', 'X1K', 'XK1', 'X1K1', 'X1X', 'XX1', 'X1X1', 'K1N'];
  const rest = ['K1K', 'KK1', 'K1K1', 'K1X', 'KX1', 'K1X1', 'I1N', 'I1K', 'IK1', 'I1K1', 'I1X'];
  const all = [...patterns, ...deferred, ...rest, 'IX1', 'I1X1'];
  const name = (letters: string): string => `Noise_${letters}_25519_AESGCM_SHA256`;

  it.each(all)('%s connects peers that know each other', (letters) => {
    const { first, second } = pair(name(letters), {});
    expect(opened(second.ready, sealed(first.ready, Buffer.from('to the server'))).plain).toBe(
      'to the server',
    );
    expect(opened(first.ready, sealed(second.ready, Buffer.from('to the client'))).plain).toBe(
      'to the client',
    );
  });

  it.each(all.filter((letters) => /[KX]1?$/.test(letters)))(
    'W21: %s refuses a server with another key',
    (letters) => {
      const { first, second } = pair(name(letters), { server: { localPrivateKey: strangerKey } });
      expect(first.codec === undefined || second.codec === undefined).toBe(true);
      const refused = first.refused ?? second.refused;
      expect(refused?.reason).toBe(/X1?$/.test(letters) ? 'key_mismatch' : 'noise_failed');
    },
  );

  it.each(all.filter((letters) => /^[KXI]/.test(letters)))(
    'W21: %s refuses a client with another key',
    (letters) => {
      const { first, second } = pair(name(letters), { client: { localPrivateKey: strangerKey } });
      // Where the server speaks last, the client finds that it cannot read that.
      expect(first.codec === undefined || second.codec === undefined).toBe(true);
      if (/^[XI]/.test(letters)) expect(second.refused?.reason).toBe('key_mismatch');
    },
  );

  it('a mismatch names both keys', () => {
    const { first } = pair(name('XX'), { server: { localPrivateKey: strangerKey } });
    expect(first.refused?.message).toContain(publicOf(strangerKey).toString('base64'));
    expect(first.refused?.message).toContain(publicOf(serverKey).toString('base64'));
    expect(first.shaken.sent).toHaveLength(34);
  });

  it('one of small order is named, ours and theirs', () => {
    const zero = Buffer.alloc(32);
    const first = new HandshakeSide(noiseHandshake(spec(NK, clientKey, zero), 'initiator'));
    expect(first.refused).toMatchObject({
      reason: 'noise_failed',
      message: expect.stringContaining('nobody can have'),
    });
    const second = new HandshakeSide(noiseHandshake(spec(NK, serverKey), 'responder'));
    second.feed(Buffer.concat([Buffer.of(48, 0), zero, Buffer.alloc(16)]));
    expect(second.refused?.message).toContain('nobody can have');
  });

  it('XX without a configured key takes any', () => {
    const { first, second } = pair(name('XX'), {
      client: { remotePublicKey: undefined },
      server: { remotePublicKey: undefined, localPrivateKey: strangerKey },
    });
    expect([first.state, second.state]).toEqual(['done', 'done']);
  });

  it.each([NK, name('XX')])('%s refuses a key that makes every secret zero', (pattern) => {
    const side = new HandshakeSide(noiseHandshake(spec(pattern, serverKey), 'responder'));
    const length = pattern === NK ? 48 : 32;
    const message = Buffer.alloc(2 + length);
    message.writeUInt16LE(length);
    side.feed(message);
    expect(side.refused?.reason).toBe('noise_failed');
  });
});

describe('peers that speak something else', () => {
  it.each([
    ['a hello of plain tcp', WIRE_VECTORS.hello_control_foo],
    ['TLS', '1603010200010001fc0303'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n').toString('hex')],
    ['a message without anything', '0000'],
  ])('%s is refused by its first two bytes', (_name, text) => {
    const side = new HandshakeSide(noiseHandshake(spec(NK, serverKey), 'responder'));
    side.feed(bytes(text).subarray(0, 1));
    expect(side.state).toBe('wait');
    side.feed(bytes(text).subarray(1));
    expect(side.refused?.reason).toBe('noise_failed');
    expect(side.refused?.message).toContain('instead of 48');
  });

  it.each([
    ['another cipher', 'Noise_NK_25519_AESGCM_BLAKE2s'],
    ['another hash', 'Noise_NK_25519_ChaChaPoly_SHA256'],
    ['another pattern', 'Noise_XX_25519_ChaChaPoly_BLAKE2s'],
  ])('%s is refused', (_name, pattern) => {
    const { second } = pair(NK, { client: { pattern } });
    expect(second.refused?.reason).toBe('noise_failed');
  });
});
