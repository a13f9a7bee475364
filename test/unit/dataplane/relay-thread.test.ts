/** Relays of the C++ addon: what they show and keep, and how they end. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { RunningRelay } from '../../../ts/dataplane/relay.ts';
import { describeBuilds } from '../../helpers/relay-scene.ts';
import { until } from '../../helpers/until.ts';

describeBuilds(({ binding, isFull, open }) => {
  it('shows the bytes of relays that run when it is asked', async () => {
    const scene = await open();
    const { near, far, relay, counters } = await scene.relay({ alreadyIn: 5 });
    expect([relay.bytesIn, counters.bytesIn]).toEqual([5, 5]);
    await near.write('visitor');
    await far.write('local');
    await far.read(7);
    await near.read(5);
    scene.thread.settle();
    expect([relay.bytesIn, relay.bytesOut]).toEqual([12, 5]);
    expect([counters.bytesIn, counters.bytesOut]).toEqual([12, 5]);
  });

  it('keeps nothing of what it was given to write', async () => {
    const scene = await open();
    const length = 128 << 20;
    const { far } = await scene.relay({ unwritten: [Buffer.alloc(length, 'x')] });
    far.socket.removeAllListeners('data').resume();
    await until(() => far.raw.bytesRead === length, 'all of it');
    await until(() => buffers() < length, 'memory of JavaScript');
    await until(() => largestMapping() < length / 2, 'memory of the thread');
  });

  it('takes over what nothing speaks against, and no more than it has room for', async () => {
    const scene = await open();
    const near = await scene.outer();
    const far = await scene.outer();
    const thread = new binding.RelayThread(() => undefined);
    const descriptors = [near.link, far.link].map(({ transferable = -1 }) => transferable);
    const [from = -1, to = -1] = descriptors;
    let count = 0;
    while (count < 600 && thread.begin(from, to, new Uint8Array(0), 60_000) !== 0) count += 1;
    thread.close();
    // poll looks at each of them every time.
    expect(count).toBe(isFull ? 600 : 512);
  });

  it('aborts what runs when it is closed, and tells of its end first', async () => {
    const scene = await open();
    const ends: string[] = [];
    const done = (relay: RunningRelay) => ends.push(relay.reason);
    const relays = [await scene.relay({ done }), await scene.relay({ done })];
    await scene.thread.close();
    expect(ends).toEqual(['destroyed', 'destroyed']);
    for (const { near, far } of relays) {
      await near.gone();
      await far.gone();
      expect([near.wasReset, far.wasReset]).toEqual([true, true]);
    }
  });
});

/** Bytes of buffers that are no garbage. */
function buffers(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

/** Bytes that are really there of what was allocated at once; 0 where the system does not tell. */
function largestMapping(): number {
  if (process.platform !== 'linux') return 0;
  const mappings = readFileSync('/proc/self/smaps', 'utf8').matchAll(/^Rss:\s+(\d+) kB$/gm);
  return Math.max(...Array.from(mappings, ([, kib]) => Number(kib) * 1_024));
}
