import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CodedLink } from '../../../ts/dataplane/coded-link.ts';
import { LinkFault, OpenLinks } from '../../../ts/dataplane/open-links.ts';
import type { Handshake, Step } from '../../../ts/dataplane/transport/codec.ts';
import { enterGate } from '../../../ts/dataplane/transport/gate.ts';
import { noiseHandshake } from '../../../ts/dataplane/transport/noise.ts';
import { keyPairFrom } from '../../../ts/dataplane/transport/noise-primitives.ts';
import { type ShakeOptions, shake } from '../../../ts/dataplane/transport/shake.ts';
import { websocketServer } from '../../../ts/dataplane/transport/websocket.ts';
import { FakeLink } from '../../helpers/fake-link.ts';
import { HandshakeSide, sealed } from '../../helpers/handshakes.ts';
import { turn, until } from '../../helpers/until.ts';

const pattern = 'Noise_NK_25519_ChaChaPoly_BLAKE2s';
const serverKey = Buffer.alloc(32, 1);
const server = { pattern, localPrivateKey: serverKey, remotePublicKey: undefined };
const client = {
  pattern,
  localPrivateKey: Buffer.alloc(32, 2),
  remotePublicKey: keyPairFrom(serverKey).publicKey,
};

function start(handshake: Handshake, options: ShakeOptions = {}) {
  const faults: unknown[] = [];
  const inner = new FakeLink();
  const links = new OpenLinks((error) => faults.push(error));
  const result = shake(links, inner, handshake, options);
  const failure = result.then(
    () => undefined,
    (error: unknown) => error,
  );
  return { inner, result, failure, faults };
}

describe('shake', () => {
  it('comes to a paused link that begins with what was behind the handshake', async () => {
    const peer = new HandshakeSide(noiseHandshake(client, 'initiator'));
    const { inner, result } = start(noiseHandshake(server, 'responder'));
    await until(() => inner.reading, 'that it reads');
    const message = peer.take();
    inner.peerSends(message.subarray(0, 7));
    await until(() => inner.reading, 'that it reads on');
    inner.reading = false;
    inner.peerSends(message.subarray(7));
    await until(() => inner.bytes.length > 0, 'its answer');
    peer.feed(inner.bytes);
    const link = await result;
    expect(link).toBeInstanceOf(CodedLink);
    expect(inner.reading).toBe(false);

    const told: string[] = [];
    link.setSink({
      data: (chunk) => told.push(Buffer.from(chunk).toString()) > 0,
      end() {},
      closed() {},
    });
    link.resume();
    inner.peerSends(sealed(peer.ready, Buffer.from('hello')));
    expect(told).toEqual(['hello']);
  });

  it('bytes that came in one read with the handshake’s last are not lost', async () => {
    const peer = new HandshakeSide(noiseHandshake(server, 'responder'));
    const { inner, result } = start(noiseHandshake(client, 'initiator'));
    await until(() => inner.bytes.length > 0, 'its message');
    peer.feed(inner.bytes);
    const early = sealed(peer.ready, Buffer.from('early'));
    inner.peerSends(Buffer.concat([peer.take(), early]));
    const link = await result;
    const told: string[] = [];
    link.setSink({
      data: (chunk) => told.push(Buffer.from(chunk).toString()) > 0,
      end() {},
      closed() {},
    });
    link.resume();
    await until(() => told.length > 0, 'the bytes');
    expect(told).toEqual(['early']);
  });

  it('sends the last words of a handshake that refuses, and closes', async () => {
    const { inner, failure } = start(websocketServer({ path: '/', headers: [] }));
    await until(() => inner.reading, 'that it reads');
    inner.peerSends('POST / HTTP/1.1\r\n\r\n');
    expect(await failure).toMatchObject({ name: 'RefusedError', reason: 'upgrade_refused' });
    expect(inner.bytes.toString()).toMatch(/^HTTP\/1.1 405 /);
    expect(inner.calls).toContain('endSoon');
  });

  it.each(['peerEnds', 'peerResets'] as const)('%s is handshake_eof', async (how) => {
    const { inner, failure } = start(noiseHandshake(server, 'responder'));
    inner[how]();
    expect(await failure).toMatchObject({ reason: 'handshake_eof' });
    expect(inner.calls).toContain('destroy');
  });

  it.each([false, true])('ends by its signal, fired before: %s', async (before) => {
    const abort = new AbortController();
    const reason = new Error('planted');
    if (before) abort.abort(reason);
    const { inner, failure } = start(noiseHandshake(server, 'responder'), { signal: abort.signal });
    abort.abort(reason);
    expect(await failure).toBe(reason);
    expect(inner.calls).toEqual(expect.arrayContaining(['destroy']));
    // A step that waited does nothing any more.
    await turn();
    expect(inner.bytes).toHaveLength(0);
  });

  it('a handshake that throws ends its connection, and is told', async () => {
    const planted = new Error('planted');
    const advance = (): Step => {
      throw planted;
    };
    const { inner, failure, faults } = start({ name: 'test', advance });
    expect(await failure).toBeInstanceOf(LinkFault);
    expect(faults).toEqual([planted]);
    expect(inner.calls).toContain('abort');
  });

  it('a handshake without a codec gives the link itself', async () => {
    const step: Step = { state: 'done', used: 0, out: [], codec: undefined };
    const { inner, result } = start({ name: 'test', advance: () => step });
    expect(await result).toBe(inner);
  });
});

describe('gate', () => {
  let nowMs = 0;
  beforeEach(async () => {
    // Whatever was spent before belongs to another turn.
    await turn();
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  });
  afterEach(() => vi.restoreAllMocks());

  /** What ran, in order, each step taking so long by the clock. */
  async function run(costMs: number): Promise<string[]> {
    const log: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      enterGate(() => {
        log.push(name);
        nowMs += costMs;
      });
    }
    log.push('flow');
    // It comes between: what waits is behind it in every turn.
    setImmediate(() => log.push('flow'));
    for (let turns = 0; turns < 5; turns++) await turn();
    return log;
  }

  it('costly steps are taken one in each turn, in order', async () => {
    expect(await run(0.25)).toEqual(['a', 'flow', 'b', 'flow', 'c']);
  });

  it('cheap steps do not wait', async () => {
    expect(await run(0.01)).toEqual(['a', 'b', 'c', 'flow', 'flow']);
  });

  it('a turn takes as many as fit', async () => {
    expect(await run(0.15)).toEqual(['a', 'b', 'flow', 'c', 'flow']);
  });
});
