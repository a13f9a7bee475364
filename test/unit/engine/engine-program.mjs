/**
 * What the tests of the native engines' lives do in processes of their own: one scenario, named by the
 * first argument, with the engine that `ENGINE` names. It uses what is built, `dist`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { parentPort, Worker } from 'node:worker_threads';
import { clientHandshake, serverHandshake } from '../../../dist/control/handshake.js';
import { clientRoutine, HELLO_RULE, serverRoutine } from '../../../dist/control/routines.js';
import { loadAddon } from '../../../dist/engine/load-addon.js';
import { loadBinding } from '../../../dist/engine/load-binding.js';
import { RustEngine } from '../../../dist/engine/rust.js';
import { TypescriptEngine } from '../../../dist/engine/typescript.js';

const HOST = '127.0.0.1';
const TOKEN = 'token';
const NAME = 'service';
/** Channels are reused, as between any two warren peers. */
const AGREED = { addresses: true };
const TRANSPORT = {
  type: 'tcp',
  tcp: { nodelay: true, keepaliveMs: 20_000, keepaliveIntervalMs: 8_000 },
};
const NO_DEADLINE = { deadlineMs: Number.POSITIVE_INFINITY };
const ROUNDS = 20;
/** Far beyond the time in which a process with nothing open ends. */
const STILL_HERE_MS = 150;

const IS_RUST = process.env.ENGINE === 'rust';
const THREADS = IS_RUST ? 2 : 1;

function open() {
  const loaded = IS_RUST ? loadBinding() : loadAddon();
  if ('reason' in loaded) throw new Error(loaded.reason);
  const { binding } = loaded;
  return IS_RUST
    ? new RustEngine(binding, { threads: THREADS })
    : new TypescriptEngine({}, binding);
}

function routineOfClient(sessionKey) {
  return clientRoutine({ type: 'tcp', sessionKey, silenceTimeoutMs: 0, extension: AGREED });
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

/** Resolves only in a process that something else keeps alive. */
function stillHere() {
  return new Promise((resolve) => {
    setTimeout(() => {
      say('still here');
      resolve();
    }, STILL_HERE_MS).unref();
  });
}

function listenLocal(serve) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  return new Promise((resolve) => server.listen(0, HOST, () => resolve(server)));
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** A visitor that is served, and holds no process by itself. */
async function holdVisitor(tunnel) {
  const visitor = net.connect({ port: tunnel.port, host: HOST });
  await new Promise((resolve) => visitor.once('connect', resolve));
  await until(() => tunnel.client.stats().services[0]?.visitorsOpen === 1);
  visitor.unref();
  tunnel.echo.unref();
  return visitor;
}

/** A whole tunnel over two engines, to a local service that echoes. */
async function openTunnel() {
  const echo = await listenLocal((socket) => socket.pipe(socket));
  const [server, client] = [open(), open()];
  const local = { host: HOST, port: echo.address().port };
  const bind = { host: HOST, port: 0 };
  const common = { name: NAME, type: 'tcp', nodelay: undefined };
  const exposed = server.openServerService({ ...common, bind });
  const handler = { surplus() {}, ended() {} };
  const listener = await server.listen(
    { bind, transport: TRANSPORT, hello: HELLO_RULE },
    {
      async control(_digest, control) {
        const { key } = await serverHandshake(control, TOKEN, 'v1');
        const routine = serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0, agreement: AGREED });
        exposed.attach({ key, control, routine, handler });
      },
    },
  );
  const service = client.openClientService({ ...common, local, preferIpv6: false });
  const dial = { remote: listener.address, preferIpv6: false, transport: TRANSPORT };
  const control = await client.dial(dial, new AbortController().signal);
  const { key } = await clientHandshake(control, NAME, TOKEN, 10_000);
  service.attach({ control, dial, routine: routineOfClient(key), handler });
  await until(() => exposed.address);
  return { server, client, exposed, service, listener, echo, port: exposed.address.port };
}

async function closeTunnel({ server, client, echo }) {
  await Promise.all([server.close(NO_DEADLINE), client.close(NO_DEADLINE)]);
  echo.close();
}

/** One visitor: says something, hears it back, and leaves. */
function visit(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: HOST });
    let answer = '';
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text;
    });
    socket.on('error', reject);
    socket.on('close', () => (answer === 'hello' ? resolve() : reject(new Error(answer))));
    socket.end('hello');
  });
}

/** Bulk and short visitors without end; resolves when both are well under way. */
async function traffic(port) {
  let bytes = 0;
  let visitors = 0;
  const chunk = Buffer.alloc(65_536);
  for (let index = 0; index < 2; index++) {
    const socket = net.connect({ port, host: HOST });
    const pump = () => {
      while (socket.write(chunk));
    };
    socket
      .on('connect', pump)
      .on('drain', pump)
      .on('error', () => socket.destroy());
    socket.on('data', ({ length }) => {
      bytes += length;
    });
  }
  void (async () => {
    for (;;) {
      await visit(port).catch(() => new Promise((resolve) => setTimeout(resolve, 10)));
      visitors += 1;
    }
  })();
  await until(() => bytes > 1_000_000 && visitors > 5);
}

/** Threads of engines in this process; undefined where the system does not tell. */
function engineThreads() {
  try {
    const tasks = readdirSync('/proc/self/task');
    return tasks.filter((task) => nameOf(task).startsWith('warren-')).length;
  } catch {
    return undefined;
  }
}

/** Those that are left: a thread that has been joined is listed a moment longer. */
async function sayThreads() {
  for (let tries = 0; tries < 1_000 && engineThreads() > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  say(`threads ${engineThreads() ?? 0}`);
}

function nameOf(task) {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'utf8');
  } catch {
    // It ended between the two calls.
    return '';
  }
}

/** Starts this program in a worker; resolves when it says so. */
async function startWorker(scenario) {
  const worker = new Worker(new URL(import.meta.url), { argv: [scenario] });
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, exited };
}

async function holdsAlive(openIt) {
  const close = await openIt(open());
  await stillHere();
  await close();
  say('closed');
}

/** A dialled control stream to a listener that lets the process end. */
async function heldStream(engine) {
  const peer = await listenLocal((socket) => socket.unref());
  peer.unref();
  const remote = { host: HOST, port: peer.address().port };
  const dial = { remote, preferIpv6: false, transport: TRANSPORT };
  return engine.dial(dial, new AbortController().signal);
}

const SCENARIOS = {
  /** Ends by itself when both are closed. */
  async two() {
    const tunnel = await openTunnel();
    await visit(tunnel.port);
    await closeTunnel(tunnel);
    await sayThreads();
  },

  nothing() {
    open();
    say('opened');
  },

  /** Services without a session hold nothing either. */
  services() {
    const engine = open();
    const common = { name: NAME, type: 'tcp', nodelay: undefined };
    engine.openServerService({ ...common, bind: { host: HOST, port: 0 } });
    engine.openClientService({ ...common, local: { host: HOST, port: 1 }, preferIpv6: false });
    say('opened');
  },

  listener: () =>
    holdsAlive(async (engine) => {
      const bind = { host: HOST, port: 0 };
      const spec = { bind, transport: TRANSPORT, hello: HELLO_RULE };
      const listener = await engine.listen(spec, { control() {} });
      return () => listener.close(NO_DEADLINE);
    }),

  stream: () =>
    holdsAlive(async (engine) => {
      const stream = await heldStream(engine);
      return () => stream.destroy('destroyed');
    }),

  /** Argument: a port that does not answer. */
  dial: () =>
    holdsAlive(async (engine) => {
      const remote = { host: HOST, port: Number(process.argv[3]) };
      const abort = new AbortController();
      const dial = { remote, preferIpv6: false, transport: TRANSPORT };
      const dialled = engine.dial(dial, abort.signal).catch(() => say('aborted'));
      return () => {
        abort.abort();
        return dialled;
      };
    }),

  session: () =>
    holdsAlive(async (engine) => {
      const control = await heldStream(engine);
      const local = { host: HOST, port: 1 };
      const common = { name: NAME, type: 'tcp', nodelay: undefined };
      const service = engine.openClientService({ ...common, local, preferIpv6: false });
      const dial = { remote: control.peer, preferIpv6: false, transport: TRANSPORT };
      const routine = routineOfClient(Buffer.alloc(32));
      service.attach({ control, dial, routine, handler: { surplus() {}, ended() {} } });
      return () => service.detach('drain');
    }),

  /** A visitor that stays when all else is closed: it holds the close, and the process. */
  async draining() {
    const tunnel = await openTunnel();
    const visitor = await holdVisitor(tunnel);
    const closing = closeTunnel(tunnel).then(() => say('closed'));
    await stillHere();
    visitor.destroy();
    await closing;
  },

  /** The visitor is served on after its session, and nothing but it is left. */
  async served() {
    const tunnel = await openTunnel();
    const visitor = await holdVisitor(tunnel);
    tunnel.exposed.detach('drain');
    await tunnel.listener.close(NO_DEADLINE);
    await stillHere();
    visitor.destroy();
    say('closed');
  },

  /** The process ends in the middle of traffic. */
  async exit() {
    const tunnel = await openTunnel();
    await traffic(tunnel.port);
    process.exit(7);
  },

  /** The same at once: threads are being started. */
  'exit-at-once'() {
    for (let index = 0; index < 4; index++) open();
    process.exit(7);
  },

  /** And inside of a callback of the engine. */
  async 'exit-in-callback'() {
    const tunnel = await openTunnel();
    await traffic(tunnel.port);
    const spec = { bind: { host: HOST, port: 0 }, transport: TRANSPORT, hello: HELLO_RULE };
    const listener = await tunnel.server.listen(spec, { control: () => process.exit(7) });
    net.connect(listener.address).write(Buffer.concat([HELLO_RULE.control, Buffer.alloc(32)]));
  },

  /** And while engines are being closed. */
  async 'exit-in-close'() {
    const tunnel = await openTunnel();
    await traffic(tunnel.port);
    void closeTunnel(tunnel);
    tunnel.client.destroy();
    setImmediate(() => process.exit(7));
  },

  async throws() {
    const tunnel = await openTunnel();
    await traffic(tunnel.port);
    throw new Error('planted by a test');
  },

  /** Runs in a worker until it is ended. */
  async 'worker-traffic'() {
    const tunnel = await openTunnel();
    await traffic(tunnel.port);
    parentPort.postMessage('traffic');
  },

  async 'worker-exit'() {
    const tunnel = await openTunnel();
    await traffic(tunnel.port);
    parentPort.postMessage('traffic');
    process.exit(7);
  },

  /** Ends by itself. */
  async 'worker-two'() {
    const tunnel = await openTunnel();
    await visit(tunnel.port);
    await closeTunnel(tunnel);
    parentPort.postMessage('closed');
  },

  'worker-nothing'() {
    open();
    parentPort.postMessage('opened');
  },

  /** Names are resolved by threads that nobody waits for. */
  'worker-name'() {
    const remote = { host: 'no-such-name.invalid', port: 1 };
    const dial = { remote, preferIpv6: false, transport: TRANSPORT };
    open()
      .dial(dial, new AbortController().signal)
      .catch(() => undefined);
    parentPort.postMessage('dialling');
  },

  /** Workers come and go, by all ways, one after the other. */
  async workers() {
    const all = Object.keys(SCENARIOS).filter((name) => name.startsWith('worker-'));
    for (let round = 0; round < ROUNDS; round++) {
      const scenario = all[round % all.length];
      const { worker, exited } = await startWorker(scenario);
      if (['worker-traffic', 'worker-name'].includes(scenario)) await worker.terminate();
      await exited;
    }
    await sayThreads();
  },

  /** They do so beside engines of the main thread that go on. */
  async 'workers-beside'() {
    const tunnel = await openTunnel();
    for (let round = 0; round < ROUNDS / 4; round++) {
      const workers = await Promise.all([startWorker('worker-traffic'), startWorker('worker-two')]);
      for (const { worker } of workers) await worker.terminate();
      await visit(tunnel.port);
    }
    await closeTunnel(tunnel);
    await sayThreads();
  },

  async 'exit-with-workers'() {
    await Promise.all([startWorker('worker-traffic'), startWorker('worker-traffic')]);
    process.exit(7);
  },

  /** Engines that are forgotten without a close do not keep their threads. */
  async forgotten() {
    let engines = Array.from({ length: 4 }, open);
    // A thread has its name when it runs.
    await until(() => (engineThreads() ?? THREADS * 4) === THREADS * engines.length);
    engines = undefined;
    await until(() => {
      globalThis.gc();
      return (engineThreads() ?? 0) === 0;
    });
    say('threads 0');
  },
};

await SCENARIOS[process.argv[2]]();
