/** Back-pressure: who does not read is not read for, and memory stays where it is. */
import { describe, expect, it } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import { until } from '../helpers/until.ts';
import { statsOf } from './control-plane.ts';
import type { World } from './world.ts';

const OFFERED = 1_024 * 1_024 * 1_024;
/** Where all of it is sealed and opened in this process, or the same was shown of plain channels. */
const OFFERED_LESS = OFFERED / 4;
const CHUNK = Buffer.alloc(1_024 * 1_024, 'warren');
const RSS_MAX = 256 * 1_024 * 1_024;
const STILL_MS = 400;

export function flow(world: World): void {
  const isPlain = world.transportName === 'tcp' && !world.isReuse;
  const offered = isPlain ? OFFERED : OFFERED_LESS;
  // Six kernel socket buffers, at their largest, hold less.
  const acceptedMax = offered / 4;

  describe('back-pressure', () => {
    it('accepts no more from the local service than a visitor that does not read lets it', async () => {
      const { server, visit, local } = await world.tunnel();
      const visitor = await visit({ paused: true });
      const source = await local.next();
      await offer(source, visitor, offered);
      expect(statsOf(server.engine).bytesOut).toBe(offered);
    });

    it('accepts no more from a visitor than a local service that does not read lets it', async () => {
      const sink = await world.listener({ paused: true });
      const { server, visit } = await world.tunnel({ local: sink.address });
      const visitor = await visit();
      const local = await sink.next();
      await offer(visitor, local, offered);
      expect(statsOf(server.engine).bytesIn).toBe(offered);
    });

    it('does not let a visitor that does not read delay another', async () => {
      const { visit, local } = await world.tunnel();
      await visit({ paused: true });
      const flooded = await local.next();
      const flood = pour(flooded, offered);
      await still(flood);
      const visitor = await visit();
      const other = await local.next();
      await other.write('hello');
      expect((await visitor.read(5)).toString()).toBe('hello');
      flood.stop();
    });

    it('bounds what it takes from a visitor that waits', async () => {
      const { visit } = await world.serverScene();
      const visitor = await visit();
      const flood = pour(visitor, offered);
      const accepted = await still(flood);
      expect(accepted).toBeLessThan(acceptedMax);
      flood.stop();
    });
  });
}

/** Offers so much to a reader that stands still, checks the bounds, then lets it read all. */
async function offer(source: Peer, reader: Peer, offered: number): Promise<void> {
  const before = process.memoryUsage.rss();
  const flood = pour(source, offered);
  expect(await still(flood)).toBeLessThan(offered / 4);
  expect(process.memoryUsage.rss() - before).toBeLessThan(RSS_MAX);
  let received = 0;
  reader.socket.removeAllListeners('data');
  reader.socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  reader.socket.resume();
  await until(() => reader.ended, 'all of it');
  expect(received).toBe(offered);
  expect(process.memoryUsage.rss() - before).toBeLessThan(RSS_MAX);
}

export interface Flood {
  readonly accepted: () => number;
  stop(): void;
}

/** Writes as fast as the socket takes it, up to `offered` bytes, then FIN. */
export function pour(peer: Peer, offered: number): Flood {
  const { socket } = peer;
  let written = 0;
  let stopped = false;
  const go = (): void => {
    while (!stopped && written < offered) {
      written += CHUNK.length;
      if (!socket.write(CHUNK)) {
        socket.once('drain', go);
        return;
      }
    }
    if (!stopped) socket.end();
  };
  go();
  return {
    accepted: () => socket.bytesWritten - socket.writableLength,
    stop: () => {
      stopped = true;
    },
  };
}

/** What was accepted when nothing more has been for a while. */
export async function still(flood: Flood): Promise<number> {
  let last = -1;
  let since = Date.now();
  await until(() => {
    const now = flood.accepted();
    if (now !== last) {
      last = now;
      since = Date.now();
    }
    return last > 0 && Date.now() - since > STILL_MS;
  }, 'the source stands still');
  return last;
}
