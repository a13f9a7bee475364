import { describe, expect, it } from 'vitest';
import { clientRoutine, HELLO_RULE, serverRoutine } from '../../../ts/control/routines.ts';
import { encodeControlHello, encodeDataHello } from '../../../ts/protocol/wire.ts';
import { hex, WIRE_VECTORS as V } from '../../helpers/vectors.ts';

const KEY = new Uint8Array(32).fill(3);

describe('routines', () => {
  it('are the bytes of wire v1', () => {
    for (const type of ['tcp', 'udp'] as const) {
      const other = type === 'tcp' ? 'udp' : 'tcp';
      const server = serverRoutine(type, 30_000);
      expect(hex(server.create)).toBe(V.control_cmd.create);
      expect(hex(server.heartbeat)).toBe(V.control_cmd.heartbeat);
      expect(hex(server.start)).toBe(V.data_cmd[type]);
      expect(server.heartbeatIntervalMs).toBe(30_000);
      const client = clientRoutine(type, KEY, 40_000);
      expect(hex(client.create)).toBe(V.control_cmd.create);
      expect(hex(client.heartbeat)).toBe(V.control_cmd.heartbeat);
      expect(hex(client.start)).toBe(V.data_cmd[type]);
      expect(hex(client.otherStart)).toBe(V.data_cmd[other]);
      expect(hex(client.hello)).toBe(hex(encodeDataHello(KEY)));
      expect(client.silenceTimeoutMs).toBe(40_000);
    }
  });

  it('the hello rule tells both hellos apart and leaves the digest', () => {
    const [control, data] = [encodeControlHello(KEY), encodeDataHello(KEY)];
    expect(control).toHaveLength(HELLO_RULE.length);
    expect(hex(control)).toBe(hex(HELLO_RULE.control) + hex(KEY));
    expect(hex(data)).toBe(hex(HELLO_RULE.data) + hex(KEY));
    expect(hex(HELLO_RULE.control)).not.toBe(hex(HELLO_RULE.data));
  });
});
