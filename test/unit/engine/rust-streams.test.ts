/** Control streams of the Rust engine: calls and answers that cross each other. */
import { describe, expect, it } from 'vitest';
import type { ControlStream } from '../../../ts/engine/engine.ts';
import { RustEngine } from '../../../ts/engine/rust.ts';
import { TRANSPORT } from '../../conformance/control-plane.ts';
import { World } from '../../conformance/world.ts';
import type { Peer } from '../../helpers/peer.ts';
import { RUST } from '../../helpers/rust-binding.ts';
import { until, within } from '../../helpers/until.ts';

describe.skipIf(RUST === undefined)('control streams of the Rust engine', () => {
  const binding = RUST as NonNullable<typeof RUST>;
  const world = new World({
    setup: (options) => new RustEngine(binding, options),
    teardown: async (engine) => {
      engine.destroy();
      await engine.close({ deadlineMs: 0 });
    },
  });

  async function streamPair(): Promise<{ stream: ControlStream; peer: Peer }> {
    const listener = await world.listener({ paused: true });
    const { engine } = await world.engine();
    const { address: remote } = listener;
    const dial = { remote, preferIpv6: false, transport: TRANSPORT, proxy: undefined };
    const stream = await engine.dial(dial, new AbortController().signal);
    return { stream, peer: await listener.next() };
  }

  it('writes that do not wait for each other arrive in order, and each is told', async () => {
    const { stream, peer } = await streamPair();
    const texts = Array.from({ length: 50 }, (_, index) => `${index},`);
    const all = texts.map((text) => stream.write(Buffer.from(text)));
    await within(Promise.all(all), 'all writes');
    peer.socket.resume();
    const expected = texts.join('');
    expect((await peer.read(expected.length)).toString()).toBe(expected);
  });

  it('a write is not told before it is with the system, however many came before it', async () => {
    const { stream, peer } = await streamPair();
    let told = false;
    await stream.write(Buffer.from('first'));
    const small = stream.write(Buffer.from('second'));
    // More than the system takes of a peer that does not read.
    const large = stream.write(Buffer.alloc(64 * 1_024 * 1_024)).then(() => {
      told = true;
    });
    await within(small, 'the small write');
    expect(told).toBe(false);
    peer.socket.resume();
    await within(large, 'the large write');
  });

  it('takes the bytes as they are at the call', async () => {
    const { stream, peer } = await streamPair();
    const bytes = Buffer.from('before');
    const written = stream.write(bytes);
    bytes.write('after ');
    await written;
    peer.socket.resume();
    expect((await peer.read(6)).toString()).toBe('before');
  });

  it('what was written and not waited for arrives before the FIN', async () => {
    const { stream, peer } = await streamPair();
    void stream.write(Buffer.from('one,'));
    void stream.write(Buffer.from('two'));
    stream.finish('refused_auth');
    peer.socket.resume();
    expect((await peer.rest()).toString()).toBe('one,two');
  });

  it('gives what came before the end piece by piece, after the end', async () => {
    const { stream, peer } = await streamPair();
    await peer.write('abcdef');
    await peer.end();
    await until(
      () =>
        stream.write(Uint8Array.of(0)).then(
          () => false,
          () => true,
        ),
      'the stream has ended',
    );
    expect(Buffer.from(await stream.read(2)).toString()).toBe('ab');
    expect(Buffer.from(await stream.read(3)).toString()).toBe('cde');
    await expect(stream.read(2)).rejects.toMatchObject({ code: 'WARREN_E_CONTROL_CLOSED' });
    expect(Buffer.from(await stream.read(1)).toString()).toBe('f');
  });
});
