import { describe, expect, it } from 'vitest';
import { clientHandshake, serverHandshake } from '../../../ts/control/handshake.ts';
import { isMarked, markedNonce } from '../../../ts/protocol/extension.ts';
import {
  ACK_BAD_TOKEN,
  ACK_NO_SERVICE,
  ACK_OK,
  decodeHello,
  encodeControlHello,
  encodeDataHello,
  serviceDigest,
  sessionKey,
} from '../../../ts/protocol/wire.ts';
import { ScriptedStream } from '../../helpers/scripted-stream.ts';

const NONCE = new Uint8Array(32).fill(7);

/** A client that authenticates with this token. */
function clientOf(token: string): ScriptedStream {
  return new ScriptedStream((written, length) => {
    const hello = decodeHello(written[0] ?? new Uint8Array(37));
    if (length !== 32 || hello.kind === 'bad') throw new Error('read out of turn');
    return sessionKey(token, hello.digest);
  });
}

/** A server that answers with this hello and this ack. */
function serverOf(ack: Uint8Array, hello = encodeControlHello(NONCE)): ScriptedStream {
  return new ScriptedStream((_written, length) => (length === 37 ? hello : ack));
}

describe('server handshake', () => {
  it('accepts the right token and gives the session key', async () => {
    const stream = clientOf('secret');
    const result = await serverHandshake(stream, 'secret', 'v1');
    const hello = decodeHello(stream.written[0] ?? new Uint8Array(37));
    if (hello.kind !== 'control') throw new Error('not a control hello');
    expect(result.result).toBe('accepted');
    if (result.result !== 'accepted') return;
    expect(Buffer.from(result.key)).toEqual(Buffer.from(sessionKey('secret', hello.digest)));
    expect(stream.written.slice(1)).toEqual([ACK_OK]);
    expect(stream.ends).toEqual([]);
  });

  it('refuses a wrong token, politely', async () => {
    const stream = clientOf('guess');
    expect(await serverHandshake(stream, 'secret', 'v1')).toEqual({ result: 'wrong_token' });
    expect(stream.ends).toEqual(['finish refused_auth']);
  });

  it('W20: an unknown service and a wrong token look the same on the wire', async () => {
    const [unknown, wrong] = [clientOf('guess'), clientOf('guess')];
    expect(await serverHandshake(unknown, undefined, 'v1')).toEqual({ result: 'unknown_service' });
    expect(await serverHandshake(wrong, 'secret', 'v1')).toEqual({ result: 'wrong_token' });
    for (const stream of [unknown, wrong]) {
      expect(stream.written.map(({ length }) => length)).toEqual([37, 4]);
      expect(stream.written[1]).toEqual(ACK_BAD_TOKEN);
      expect(stream.ends).toEqual(['finish refused_auth']);
    }
  });

  it.each(['', 'undefined', 'null'])(
    'W20: no token opens a service that is not there: "%s"',
    async (token) => {
      expect((await serverHandshake(clientOf(token), undefined, 'v1')).result).toBe(
        'unknown_service',
      );
    },
  );

  it('uses a nonce once', async () => {
    const streams = Array.from({ length: 20 }, () => clientOf('secret'));
    await Promise.all(streams.map((stream) => serverHandshake(stream, 'secret', 'v1')));
    const nonces = streams.map(({ written }) => Buffer.from(written[0] ?? []).toString('hex'));
    expect(new Set(nonces).size).toBe(streams.length);
  });

  it('does not send its ack before the auth has come', async () => {
    const stream = new ScriptedStream(() => 'handshake_eof');
    await expect(serverHandshake(stream, 'secret', 'v1')).rejects.toMatchObject({
      code: 'WARREN_E_CONTROL_CLOSED',
    });
    expect(stream.written).toHaveLength(1);
  });
});

describe('the mark in the nonce', () => {
  async function nonceOf(token: string | undefined, channels: 'reuse' | 'v1') {
    const stream = clientOf('secret');
    await serverHandshake(stream, token, channels);
    expect(stream.written.map(({ length }) => length)).toEqual([37, 4]);
    const hello = decodeHello(stream.written[0] ?? new Uint8Array(37));
    if (hello.kind !== 'control') throw new Error('not a control hello');
    return hello.digest;
  }

  it('is there with channels = "reuse" only', async () => {
    expect(isMarked(await nonceOf('secret', 'reuse'))).toBe(true);
    expect(isMarked(await nonceOf('secret', 'v1'))).toBe(false);
  });

  it.each(['reuse', 'v1'] as const)(
    'W20: tells nothing of a service, channels = "%s"',
    async (channels) => {
      const [unknown, wrong, right] = await Promise.all(
        [undefined, 'another', 'secret'].map((token) => nonceOf(token, channels)),
      );
      for (const nonce of [unknown, wrong, right]) {
        expect(nonce && isMarked(nonce)).toBe(channels === 'reuse');
      }
    },
  );

  it('is random but for itself, and the auth is made of the whole nonce', async () => {
    const nonces = await Promise.all(Array.from({ length: 20 }, () => nonceOf('secret', 'reuse')));
    const heads = nonces.map((nonce) => Buffer.from(nonce.subarray(0, 24)).toString('hex'));
    expect(new Set(heads).size).toBe(nonces.length);
    const stream = clientOf('secret');
    expect((await serverHandshake(stream, 'secret', 'reuse')).result).toBe('accepted');
  });

  it('is told by a client, which sends nothing else for it', async () => {
    for (const nonce of [NONCE, markedNonce(new Uint8Array(24))]) {
      const stream = serverOf(ACK_OK, encodeControlHello(nonce));
      const handshake = await clientHandshake(stream, 'foo', 'secret', 1_000);
      expect(handshake.isMarked).toBe(nonce !== NONCE);
      expect(stream.written.map(({ length }) => length)).toEqual([37, 32]);
    }
  });
});

describe('client handshake', () => {
  it('sends hello and auth, nothing more, and gives the session key', async () => {
    const stream = serverOf(ACK_OK);
    const { key } = await clientHandshake(stream, 'foo', 'secret', 1_000);
    expect(Buffer.from(key)).toEqual(Buffer.from(sessionKey('secret', NONCE)));
    expect(stream.written.map((part) => Buffer.from(part))).toEqual([
      Buffer.from(encodeControlHello(serviceDigest('foo'))),
      Buffer.from(key),
    ]);
    expect(stream.ends).toEqual([]);
  });

  it.each([
    ['no such service', ACK_NO_SERVICE, 'WARREN_E_REFUSED'],
    ['wrong token', ACK_BAD_TOKEN, 'WARREN_E_REFUSED'],
    ['an ack that is not known', Uint8Array.of(3, 0, 0, 0), 'WARREN_E_PROTOCOL'],
  ])('W16: tells %s', async (_name, ack, code) => {
    const handshake = clientHandshake(serverOf(ack), 'foo', 'secret', 1_000);
    await expect(handshake).rejects.toMatchObject({ code });
  });

  it.each([
    ['a data hello', encodeDataHello(NONCE)],
    ['version 2', encodeControlHello(NONCE).with(4, 2)],
    ['an unknown kind', encodeControlHello(NONCE).with(0, 9)],
  ])('refuses a server that answers with %s, without showing the token', async (_name, hello) => {
    const stream = serverOf(ACK_OK, hello);
    await expect(clientHandshake(stream, 'foo', 'secret', 1_000)).rejects.toMatchObject({
      code: 'WARREN_E_PROTOCOL',
    });
    expect(stream.written).toHaveLength(1);
  });

  it.each(['certificate_refused', 'tls_failed', 'bad_record'] as const)(
    'tells that the transport refused it before a hello or an ack: %s',
    async (reason) => {
      const beforeHello = new ScriptedStream(() => reason);
      const beforeAck = new ScriptedStream((_written, length) =>
        length === 37 ? encodeControlHello(NONCE) : reason,
      );
      for (const stream of [beforeHello, beforeAck]) {
        await expect(clientHandshake(stream, 'foo', 'secret', 1_000)).rejects.toMatchObject({
          code: 'WARREN_E_TRANSPORT',
          reason,
          message: `scripted end: ${reason}`,
        });
      }
    },
  );

  it.each(['handshake_eof', 'truncated'] as const)(
    'a server that only ends before its hello may be another one: %s',
    async (reason) => {
      const stream = new ScriptedStream(() => reason);
      await expect(clientHandshake(stream, 'foo', 'secret', 1_000)).rejects.toMatchObject({
        code: 'WARREN_E_CONTROL_CLOSED',
        reason,
        message: expect.stringContaining('is remote_addr that of a warren or rathole server'),
      });
    },
  );

  it('W10: gives up on a server that is mute', async () => {
    const stream = new ScriptedStream(() => 'hang');
    await expect(clientHandshake(stream, 'foo', 'secret', 20)).rejects.toMatchObject({
      code: 'WARREN_E_CONTROL_CLOSED',
    });
    expect(stream.ends).toEqual(['destroy handshake_timeout']);
  });

  it('W10: gives up on a server that is mute after its hello', async () => {
    const stream = new ScriptedStream((_written, length) =>
      length === 37 ? encodeControlHello(NONCE) : 'hang',
    );
    await expect(clientHandshake(stream, 'foo', 'secret', 20)).rejects.toMatchObject({
      code: 'WARREN_E_CONTROL_CLOSED',
    });
  });
});
