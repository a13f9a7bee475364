import fc from 'fast-check';
import { expect, it } from 'vitest';
import { noiseHandshake } from '../../../ts/dataplane/transport/noise.ts';
import { websocketClient, websocketServer } from '../../../ts/dataplane/transport/websocket.ts';
import { pieces } from '../../helpers/corpus.ts';
import { HandshakeSide } from '../../helpers/handshakes.ts';

const spec = { path: '/', headers: [] };
const noise = {
  pattern: 'Noise_XX_25519_ChaChaPoly_BLAKE2s',
  localPrivateKey: Buffer.alloc(32, 1),
  remotePublicKey: undefined,
};
const KINDS = {
  'WebSocket client': () => websocketClient(spec, { host: 'a', port: 1 }, false),
  'WebSocket server': () => websocketServer(spec),
  'Noise initiator': () => noiseHandshake(noise, 'initiator'),
  'Noise responder': () => noiseHandshake(noise, 'responder'),
} as const;

const line = fc.oneof(
  fc.constantFrom(
    'GET / HTTP/1.1',
    'HTTP/1.1 101 Switching Protocols',
    'HTTP/1.1 101',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Connection: ,,',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Accept:',
    ': nothing',
    'a',
    '',
  ),
  fc.string({ maxLength: 30 }),
);
const wires = fc.oneof(
  fc
    .array(line, { maxLength: 10 })
    .map((it) => Buffer.from(`${it.join('\r\n')}\r\n\r\n`, 'latin1')),
  fc.uint8Array({ maxLength: 200 }).map((it) => Buffer.from(it)),
  fc.uint8Array({ maxLength: 100 }).map((it) => Buffer.concat([Buffer.of(it.length, 0), it])),
);

it.each(Object.entries(KINDS))(
  'a %s comes to the same, however the bytes are cut',
  (_name, make) => {
    fc.assert(
      fc.property(wires, fc.array(fc.nat(), { maxLength: 8 }), (wire, places) => {
        const whole = new HandshakeSide(make()).feed(wire);
        const cut = new HandshakeSide(make());
        for (const piece of pieces(wire, places)) cut.feed(piece);
        expect(cut.state).toBe(whole.state);
        expect(cut.refused?.reason).toBe(whole.refused?.reason);
        if (whole.state !== 'done') expect(whole.shaken.sent.length).toBeLessThan(400);
      }),
      { numRuns: 300 },
    );
  },
);
