/** Dialling, and control streams as ordered bytes. */
import { describe, expect, it } from 'vitest';
import type { ControlStream, Engine } from '../../ts/engine/engine.ts';
import type { Address, Peer } from '../helpers/peer.ts';
import type { PeerListener } from '../helpers/peer-listener.ts';
import { freePort } from '../helpers/process-ports.ts';
import { openSockets, untilSockets } from '../helpers/sockets.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import { until, within } from '../helpers/until.ts';
import { TRANSPORT } from './control-plane.ts';
import type { World } from './world.ts';

export function streams(world: World): void {
  describe('dial', () => {
    it('rejects with WARREN_E_CONNECT that names the address', async () => {
      const { engine } = await world.engine();
      const port = await freePort();
      await expect(dial(engine, { host: '127.0.0.1', port })).rejects.toMatchObject({
        code: 'WARREN_E_CONNECT',
        message: expect.stringContaining(`127.0.0.1:${port}`),
      });
    });

    it('W18: rejects with WARREN_E_CONNECT for a name that does not resolve', async () => {
      const { engine } = await world.engine();
      const to = { host: 'no-such-name.invalid', port: 1 };
      await expect(dial(engine, to)).rejects.toMatchObject({ code: 'WARREN_E_CONNECT' });
    });

    it('resolves names', async () => {
      const listener = await world.listener();
      const { engine } = await world.engine();
      const stream = await dial(engine, { host: 'localhost', port: listener.address.port });
      expect(stream.peer).toEqual(listener.address);
    });

    it('W10: gives up after dialTimeoutMs', async () => {
      const stuck = world.defer(await StuckListener.open(), (it) => it.close());
      const { engine } = await world.engine({ limits: { dialTimeoutMs: 120 } });
      const before = openSockets();
      await expect(dial(engine, stuck.address)).rejects.toMatchObject({
        code: 'WARREN_E_CONNECT',
      });
      await untilSockets(before, 'after a dial that timed out');
    });

    it('W17: is cancelled at once and leaves nothing behind', async () => {
      const stuck = world.defer(await StuckListener.open(), (it) => it.close());
      const { engine } = await world.engine();
      const before = openSockets();
      const abort = new AbortController();
      const dialled = dial(engine, stuck.address, abort.signal);
      const settled = expect(dialled).rejects.toMatchObject({ code: 'WARREN_E_ABORTED' });
      await until(() => before === undefined || (openSockets() ?? 0) > before, 'it dials');
      abort.abort();
      await within(settled, 'the end of the dial', 2_000);
      await untilSockets(before, 'after a dial that was cancelled');
    });

    it('W17: does not begin when it is cancelled before', async () => {
      const listener = await world.listener();
      const { engine } = await world.engine();
      const dialled = dial(engine, listener.address, AbortSignal.abort());
      await expect(dialled).rejects.toMatchObject({ code: 'WARREN_E_ABORTED' });
      expect(listener.peers).toHaveLength(0);
    });
  });

  describe('control stream', () => {
    it('gives exactly the bytes that are asked for, in order, however they come', async () => {
      const { stream, peer } = await streamPair(world);
      const bytes = Buffer.from(Array.from({ length: 200 }, (_, index) => index));
      const reads = (async () => {
        const parts: Uint8Array[] = [];
        for (const length of [1, 2, 3, 37, 32, 4, 100, 21]) parts.push(await stream.read(length));
        return Buffer.concat(parts);
      })();
      for (let at = 0; at < bytes.length; at += 7) await peer.write(bytes.subarray(at, at + 7));
      expect(await reads).toEqual(bytes);
    });

    it('still gives what had come when the peer ended, then WARREN_E_CONTROL_CLOSED', async () => {
      const { stream, peer } = await streamPair(world);
      await peer.write('last');
      await peer.end();
      await peer.over();
      expect(Buffer.from(await stream.read(4)).toString()).toBe('last');
      await expect(stream.read(1)).rejects.toMatchObject({ code: 'WARREN_E_CONTROL_CLOSED' });
      await expect(stream.write(Uint8Array.of(1))).rejects.toMatchObject({
        code: 'WARREN_E_CONTROL_CLOSED',
      });
    });

    it('settles a pending read when it is destroyed', async () => {
      const { stream, peer } = await streamPair(world);
      const read = expect(stream.read(1)).rejects.toMatchObject({
        code: 'WARREN_E_CONTROL_CLOSED',
      });
      stream.destroy('destroyed');
      stream.destroy('destroyed');
      await read;
      await peer.over();
    });

    it('settles a pending write when it ends', async () => {
      const { stream, peer } = await streamPair(world);
      peer.socket.pause();
      const write = stream.write(Buffer.alloc(64 * 1_024 * 1_024));
      const settled = expect(write).rejects.toMatchObject({ code: 'WARREN_E_CONTROL_CLOSED' });
      stream.destroy('destroyed');
      await settled;
    });

    it('does not read a peer that sends more than is wanted', async () => {
      const { stream, peer } = await streamPair(world);
      const total = 256 * 1_024 * 1_024;
      peer.socket.write(Buffer.alloc(total));
      await stream.read(4_096);
      let last = -1;
      await until(() => {
        const sent = peer.socket.bytesWritten - peer.socket.writableLength;
        const still = sent === last;
        last = sent;
        return still;
      }, 'the peer stands still');
      expect(Buffer.from(await stream.read(4_096))).toHaveLength(4_096);
      expect(peer.socket.writableLength).toBeGreaterThan(0);
    });

    it.each([0, -1, 4_097])('rejects a read of %d bytes with WARREN_E_STATE', async (length) => {
      const { stream } = await streamPair(world);
      const read = rejection(() => stream.read(length));
      await expect(read).resolves.toMatchObject({ code: 'WARREN_E_STATE' });
    });

    it('rejects a second read beside the first with WARREN_E_STATE', async () => {
      const { stream, peer } = await streamPair(world);
      const first = stream.read(1);
      const second = rejection(() => stream.read(1));
      await expect(second).resolves.toMatchObject({ code: 'WARREN_E_STATE' });
      await peer.write('x');
      expect(Buffer.from(await first).toString()).toBe('x');
    });

    it('rejects reads and writes with WARREN_E_STATE while it is attached', async () => {
      const { exposed } = await world.serverScene();
      const stream = exposed.sessions[0]?.control;
      if (stream === undefined) throw new Error('no session');
      const state = { code: 'WARREN_E_STATE' };
      await expect(rejection(() => stream.read(1))).resolves.toMatchObject(state);
      await expect(rejection(() => stream.write(Uint8Array.of(1)))).resolves.toMatchObject(state);
    });

    it('W38: finish delivers the last bytes to a peer that is still sending', async () => {
      const { stream, peer } = await streamPair(world);
      const bytes = Buffer.alloc(50_000, 7);
      await peer.write(Buffer.alloc(3_000));
      void stream.write(bytes);
      stream.finish('refused_auth');
      await peer.write(Buffer.alloc(3_000));
      expect(await peer.rest()).toEqual(bytes);
      await peer.end();
      await peer.gone();
    });

    it('W38: finish waits no longer than lingerMs for the peer', async () => {
      const { stream, peer } = await streamPair(world, 60);
      stream.finish('refused_auth');
      await peer.fin();
      // What is written to a connection that is gone is answered by RST.
      await until(() => {
        if (!peer.closed) peer.socket.write('x');
        return peer.closed;
      }, 'the connection is gone');
    });
  });
}

function dial(engine: Engine, remote: Address, signal?: AbortSignal): Promise<ControlStream> {
  const spec = { remote, preferIpv6: false, transport: TRANSPORT, proxy: undefined };
  return engine.dial(spec, signal ?? new AbortController().signal);
}

async function streamPair(
  world: World,
  lingerMs = 5_000,
): Promise<{ stream: ControlStream; peer: Peer; listener: PeerListener }> {
  const listener = await world.listener();
  const { engine } = await world.engine({ limits: { lingerMs } });
  const stream = await dial(engine, listener.address);
  return { stream, peer: await listener.next(), listener };
}

/**
 * The rejection of a call that returns a promise; a call that throws instead breaks the contract.
 */
async function rejection(call: () => Promise<unknown>): Promise<unknown> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (error) {
    throw new Error('it threw instead of rejecting', { cause: error });
  }
  return promise.then(
    () => 'resolved',
    (error: unknown) => error,
  );
}
