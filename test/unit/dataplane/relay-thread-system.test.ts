/** What relays of the C++ addon take of the system: pipes, descriptors, processor time. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ADDON_FILE, ADDON_PORTABLE_FILE } from '../../helpers/addon-binding.ts';
import { describeBuilds, type RelayFacts, type RelayScene } from '../../helpers/relay-scene.ts';
import { until } from '../../helpers/until.ts';

const PROGRAM = fileURLToPath(new URL('relay-program.mjs', import.meta.url));
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
      // It is cut off at the end.
      void facts.far.write(BULK).catch(() => undefined);
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

// All of it is looked up in /proc.
describe.skipIf(process.platform !== 'linux')('on Linux', () => {
  describeBuilds(({ isFull, open }) => {
    const file = isFull ? ADDON_FILE : ADDON_PORTABLE_FILE;

    it.skipIf(!isFull)('holds pipes while bulk runs, and none afterwards', async () => {
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

    it.each(IDLE)('sleeps: %s', async (_name, arrange) => {
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

    it('copies on where descriptors are short, and splices again', async () => {
      const moved = isFull ? 'spliced' : 'copied';
      expect(await runWith(128, 'few', file)).toBe(
        `whole ${moved}\nwhole copied\nwhole ${moved}\n`,
      );
    });

    it('takes nothing over where a descriptor lacks, and keeps none', async () => {
      expect(await runWith(128, 'one', file)).toBe('0 1\n');
    });

    it('says so where there are none for its thread', async () => {
      expect(await runWith(128, 'none', file)).toBe('Too many open files\n');
    });
  });
});

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
  const args = ['-c', command, 'sh', process.execPath, PROGRAM, scenario, file];
  const { stdout } = await promisify(execFile)('sh', args, { timeout: 20_000 });
  return stdout;
}
