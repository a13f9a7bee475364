/** Relays of the C++ addon, with epoll and splice and with poll and copying. */
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { RunningRelay } from '../../../ts/dataplane/relay.ts';
import { ADDON, ADDON_PORTABLE } from '../../helpers/addon-binding.ts';
import { closesScenes, type RelayFacts, RelayScene } from '../../helpers/relay-scene.ts';
import { until } from '../../helpers/until.ts';

const BUILDS = [
  ['with epoll and splice', ADDON, 'build/Release/warren_addon.node'],
  ['with poll and copying', ADDON_PORTABLE, 'build/Portable/warren_addon_portable.node'],
] as const;
const PROGRAM = fileURLToPath(new URL('relay-program.mjs', import.meta.url));
const IS_LINUX = process.platform === 'linux';
const BULK = Buffer.alloc(16 << 20, 'warren');
/** Idle for so long, a thread that does not spin uses nearly nothing of it. */
const IDLE_MS = 400;

type Arrange = (facts: RelayFacts, scene: RelayScene) => Promise<unknown>;

/** What a relay may have to wait in, without end: nothing of it may keep the thread busy. */
const IDLE: [string, Arrange][] = [
  ['both are silent', async () => undefined],
  ['the visitor has ended', ({ near }) => near.end()],
  ['the local service has ended', ({ far }) => far.end()],
  ['the local service does not read', fill],
  [
    'the visitor has ended, the local service does not read',
    async (facts, scene) => {
      await fill(facts, scene);
      await facts.near.end();
    },
  ],
  [
    'both have ended, the local service does not read',
    async (facts, scene) => {
      await fill(facts, scene);
      await facts.near.end();
      await facts.far.end();
    },
  ],
  [
    'neither reads',
    async (facts, scene) => {
      facts.near.socket.pause();
      await fill(facts, scene);
      void facts.far.write(BULK);
    },
  ],
];

/** The visitor sends until the relay takes no more, and a little more. */
async function fill({ near, relay }: RelayFacts, scene: RelayScene): Promise<void> {
  const chunk = Buffer.alloc(65_536);
  for (let sent = chunk.length; ; sent += chunk.length) {
    await near.write(chunk);
    const took = until(
      () => {
        scene.thread.settle();
        return relay.bytesIn === sent;
      },
      'all of it',
      100,
    );
    if (!(await took.catch(() => false))) return;
  }
}

for (const [name, binding, file] of BUILDS) {
  const hasSplice = IS_LINUX && binding === ADDON;
  if (binding === undefined) {
    it.skip(`${name}: it is not built; the reason is printed above`);
    continue;
  }
  describe(name, () => {
    closesScenes();
    const open = () => RelayScene.open(binding);

    it.skipIf(!hasSplice)('holds pipes while bulk runs, and none afterwards', async () => {
      const scene = await open();
      const before = pipes();
      const { near, far, ended } = await scene.relay({ paused: 'far' });
      void near.write(BULK);
      await until(() => pipes() === before + 2, 'a pipe');
      far.socket.resume();
      await near.end();
      await far.until(() => far.received === BULK.length, 'all of it');
      await far.end();
      expect(await ended()).toBe('visitor_fin');
      await until(() => pipes() === before, 'no pipe');
    });

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
      const length = 64 << 20;
      const before = kept();
      const { far, near, ended } = await scene.relay({ unwritten: [Buffer.alloc(length, 'x')] });
      far.socket.removeAllListeners('data').resume();
      await until(() => far.raw.bytesRead === length, 'all of it');
      await until(() => kept().buffers < before.buffers + length / 2, 'memory of JavaScript');
      await until(() => kept().rss < before.rss + length / 2, 'memory of the thread');
      await near.end();
      await far.end();
      await ended();
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
      expect(count).toBe(binding === ADDON && IS_LINUX ? 600 : 512);
    });

    it.skipIf(!IS_LINUX).each(IDLE)('sleeps: %s', async (_name, arrange) => {
      const scene = await open();
      const facts = await scene.relay({ paused: 'far' });
      await arrange(facts, scene);
      let moved = -1;
      await until(async () => {
        const before = moved;
        await new Promise((resolve) => setTimeout(resolve, 50));
        scene.thread.settle();
        moved = facts.relay.bytesIn + facts.relay.bytesOut;
        return moved === before;
      }, 'rest');
      const before = cpuMs();
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      expect(cpuMs() - before).toBeLessThan(IDLE_MS / 8);
    });

    it.skipIf(!IS_LINUX)('copies on where descriptors are short, and splices again', async () => {
      const moved = hasSplice ? 'spliced' : 'copied';
      expect(await runWith(128, 'few', file)).toBe(
        `whole ${moved}\nwhole copied\nwhole ${moved}\n`,
      );
    });

    it.skipIf(!IS_LINUX)(
      'takes nothing over where a descriptor lacks, and keeps none',
      async () => {
        expect(await runWith(128, 'one', file)).toBe('0 1\n');
      },
    );

    it.skipIf(!IS_LINUX)('says so where there are none for its thread', async () => {
      expect(await runWith(128, 'none', file)).toBe('Too many open files\n');
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

    it.each([
      ['few bytes', 3],
      ['bulk', 8 << 20],
    ])('is not held up by urgent data behind %s', async (_name, length) => {
      const scene = await open();
      const far = await scene.outer();
      const sender = spawn('python3', ['-u', '-c', URGENT, `${length}`], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      const near = await scene.accepted((port) => sender.stdin.write(`${port}\n`));
      const { ended, relay } = scene.start(near, far.link);
      for (let round = 0; round < 20; round++) {
        sender.stdin.write('go\n');
        const bytes = await far.peer.read(length + 4);
        expect(bytes.toString('latin1', length - 1)).toBe('xdefg');
      }
      sender.stdin.end();
      await far.peer.fin();
      await far.peer.end();
      expect(await ended()).toBe('visitor_fin');
      expect(relay.bytesIn).toBe(20 * (length + 4));
    });
  });
}

/** Memory, without garbage. */
function kept(): { buffers: number; rss: number } {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { arrayBuffers, rss } = process.memoryUsage();
  return { buffers: arrayBuffers, rss };
}

/** Pipes of this process, by their ends. */
function pipes(): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith('pipe:');
    } catch {
      // Gone between the two calls.
      return false;
    }
  }).length;
}

/** What the relay threads of this process have used. */
function cpuMs(): number {
  let nanoseconds = 0;
  for (const task of readdirSync('/proc/self/task')) {
    const read = (what: string) => readFileSync(`/proc/self/task/${task}/${what}`, 'utf8');
    if (read('comm').startsWith('warren-relay')) {
      nanoseconds += Number(read('schedstat').split(' ')[0]);
    }
  }
  return nanoseconds / 1e6;
}

/** Runs a scenario of `relay-program.mjs` with so few descriptors; what it says. */
async function runWith(descriptors: number, scenario: string, file: string): Promise<string> {
  const command = `ulimit -n ${descriptors}; exec "$@"`;
  const args = ['-c', command, 'sh', process.execPath, PROGRAM, scenario, resolve(file)];
  const { stdout } = await promisify(execFile)('sh', args, { timeout: 20_000 });
  return stdout;
}

/** Node cannot send urgent data. */
const URGENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.stdin.readline())))
for line in sys.stdin:
    s.sendall(b'x' * int(sys.argv[1]), socket.MSG_MORE)
    # In one segment with what follows.
    s.send(b'!', socket.MSG_OOB | socket.MSG_MORE)
    s.sendall(b'defg')
s.shutdown(socket.SHUT_WR)
s.recv(1)
`;
