import { describe, expect, it } from 'vitest';
import { clientRoutine, HELLO_RULE, serverRoutine } from '../../../ts/control/routines.ts';
import { encodeDrainFrame, REUSE_FRAMES } from '../../../ts/protocol/extension.ts';
import { encodeControlHello, encodeDataHello } from '../../../ts/protocol/wire.ts';
import { EXTENSION_VECTORS as X } from '../../helpers/extension-vectors.ts';
import { bytes, hex, WIRE_VECTORS as V } from '../../helpers/vectors.ts';

const KEY = new Uint8Array(32).fill(3);

describe('routines', () => {
  it('are the bytes of wire v1', () => {
    for (const type of ['tcp', 'udp'] as const) {
      const other = type === 'tcp' ? 'udp' : 'tcp';
      const server = serverRoutine({ type, heartbeatIntervalMs: 30_000 });
      expect(hex(server.create)).toBe(V.control_cmd.create);
      expect(hex(server.heartbeat)).toBe(V.control_cmd.heartbeat);
      expect(hex(server.start)).toBe(V.data_cmd[type]);
      expect(server.heartbeatIntervalMs).toBe(30_000);
      const client = clientRoutine({ type, sessionKey: KEY, silenceTimeoutMs: 40_000 });
      expect(hex(client.create)).toBe(V.control_cmd.create);
      expect(hex(client.heartbeat)).toBe(V.control_cmd.heartbeat);
      expect(hex(client.start)).toBe(V.data_cmd[type]);
      expect(hex(client.otherStart)).toBe(V.data_cmd[other]);
      expect(hex(client.hello)).toBe(hex(encodeDataHello(KEY)));
      expect(client.silenceTimeoutMs).toBe(40_000);
      for (const { reuse, goodbye } of [server, client]) {
        expect(reuse).toBeUndefined();
        expect(hex(goodbye)).toBe('');
      }
    }
  });

  it.each(['tcp', 'udp'] as const)(
    'between two warren peers are those of docs/wire.md: %s',
    (type) => {
      const agreement = { addresses: true };
      const server = serverRoutine({ type, heartbeatIntervalMs: 1, agreement });
      const start = type === 'tcp' ? bytes(X.start_reused) : new Uint8Array(0);
      const rules = { start, addresses: true, frames: REUSE_FRAMES };
      expect(server.reuse).toEqual(rules);
      expect(hex(server.heartbeat)).toBe(X.frames.heartbeat);
      // Channels of udp services stay those of v1.
      expect(hex(server.start)).toBe(V.data_cmd[type]);
      const session = { type, sessionKey: KEY, silenceTimeoutMs: 1 };
      const client = clientRoutine({ ...session, extension: agreement });
      expect(client.reuse).toEqual(rules);
      for (const { goodbye } of [server, client]) {
        expect(hex(goodbye)).toBe(hex(encodeDrainFrame(Number.POSITIVE_INFINITY)));
      }
    },
  );

  it('use of the features only what was agreed on', () => {
    const session = { type: 'tcp' as const, sessionKey: KEY, silenceTimeoutMs: 1 };
    const without = { addresses: false };
    expect(clientRoutine({ ...session, extension: without }).reuse?.addresses).toBe(false);
    const server = serverRoutine({ type: 'tcp', heartbeatIntervalMs: 1, agreement: without });
    expect(server.reuse?.addresses).toBe(false);
  });

  it('of a client that waits for an answer: commands of v1, channels of both kinds, no goodbye', () => {
    const client = clientRoutine({
      type: 'tcp',
      sessionKey: KEY,
      silenceTimeoutMs: 1,
      extension: 'offered',
    });
    expect(client.reuse).toEqual({
      start: bytes(X.start_reused),
      addresses: true,
      frames: undefined,
    });
    expect(client.goodbye).toHaveLength(0);
  });

  it('say how long visitors may take, where the peer can be told', () => {
    const agreement = { addresses: true };
    const drain = hex(encodeDrainFrame(5_000));
    const server = { type: 'tcp' as const, heartbeatIntervalMs: 1, drainMs: 5_000 };
    expect(hex(serverRoutine({ ...server, agreement }).goodbye)).toBe(drain);
    expect(hex(serverRoutine(server).goodbye)).toBe('');
    const client = { type: 'tcp' as const, sessionKey: KEY, silenceTimeoutMs: 1, drainMs: 5_000 };
    expect(hex(clientRoutine({ ...client, extension: agreement }).goodbye)).toBe(drain);
    expect(hex(clientRoutine(client).goodbye)).toBe('');
  });

  it('the hello rule tells both hellos apart and leaves the digest', () => {
    const [control, data] = [encodeControlHello(KEY), encodeDataHello(KEY)];
    expect(control).toHaveLength(HELLO_RULE.length);
    expect(hex(control)).toBe(hex(HELLO_RULE.control) + hex(KEY));
    expect(hex(data)).toBe(hex(HELLO_RULE.data) + hex(KEY));
    expect(hex(HELLO_RULE.control)).not.toBe(hex(HELLO_RULE.data));
  });
});
