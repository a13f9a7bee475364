/**
 * What the tests of the addon's relays do in a process of their own, whose descriptors are few: a
 * scenario, and the addon's file.
 */
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';

const [, , scenario, file] = process.argv;
const { RelayThread } = createRequire(import.meta.url)(file);
const LENGTH = 32 << 20;
const NOTHING = new Uint8Array(0);

const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

function say(...words) {
  process.stdout.write(`${words.join(' ')}\n`);
}

/** Two ends of one connection. */
async function pair() {
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const outer = net.connect({ port: server.address().port, host: '127.0.0.1' });
  return { outer, inner: await accepted };
}

/** Takes all descriptors from this number on, or all but so many. */
function takeDescriptors(upTo) {
  const taken = [];
  try {
    while ((taken.at(-1) ?? 0) < upTo) taken.push(openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  return taken;
}

function pipes() {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith('pipe:');
    } catch {
      return false;
    }
  }).length;
}

/** Sends bulk through a relay; how it was moved. */
async function bulk() {
  const [near, far] = [await pair(), await pair()];
  const ended = new Promise((resolve) => {
    const thread = new RelayThread(() => {
      thread.close();
      resolve();
    });
    thread.keepAlive(true);
    thread.begin(near.inner._handle.fd, far.inner._handle.fd, NOTHING, 60_000);
  });
  near.inner.destroy();
  far.inner.destroy();
  const before = pipes();
  let received = 0;
  let seen = 0;
  let looks = 0;
  far.outer.on('data', ({ length }) => {
    received += length;
    looks += 1;
    // One that is tried in vain may be seen as well.
    if (pipes() > before) seen += 1;
  });
  far.outer.on('end', () => far.outer.end());
  near.outer.on('data', () => undefined);
  near.outer.end(Buffer.alloc(LENGTH));
  await Promise.all([ended, ...[near, far].map(({ outer }) => once(outer, 'close'))]);
  say(received === LENGTH ? 'whole' : received, seen > looks / 2 ? 'spliced' : 'copied');
}

const SCENARIOS = {
  /** `ulimit -n 128`: three quarters are taken, then none. */
  async few() {
    await bulk();
    const taken = takeDescriptors(100);
    await bulk();
    for (const fd of taken) closeSync(fd);
    await bulk();
  },

  /** One is left, and two are needed. */
  async one() {
    const [near, far] = [await pair(), await pair()];
    const thread = new RelayThread(() => say('woken'));
    const taken = takeDescriptors(Number.POSITIVE_INFINITY);
    closeSync(taken.pop());
    const id = thread.begin(near.inner._handle.fd, far.inner._handle.fd, NOTHING, 60_000);
    const left = takeDescriptors(Number.POSITIVE_INFINITY).length;
    say(id, left);
    near.outer.destroy();
    far.outer.destroy();
    thread.close();
  },

  /** There are none for the thread itself. */
  none() {
    takeDescriptors(Number.POSITIVE_INFINITY);
    try {
      new RelayThread(() => undefined);
    } catch ({ message }) {
      say(message);
    }
  },
};

await SCENARIOS[scenario]();
server.close();
process.exit();
