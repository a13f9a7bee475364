// Engine against engine: the same operation through a tunnel of each, and without one.

import { randomBytes } from 'node:crypto';
import type { FoundEngine } from '../engines.ts';
import type { EngineSuite, EngineTask, OpenTasks } from '../suite.ts';
import { openEcho } from '../tunnel/echo.ts';
import { type Carrier, openTunnel } from '../tunnel/tunnel.ts';
import { Visitor, visit } from '../tunnel/visitor.ts';

const WAKE_UP_BYTES = 64;
const NO_TUNNEL = 'no tunnel';

/** One way of using a tunnel whose visitors come to `port`. */
interface Use {
  exchange(bytes: Buffer): Promise<Buffer[]>;
  destroy(): void;
}

interface Kind {
  readonly carrier: Carrier;
  readonly bytes: number;
  use(port: number): Promise<Use>;
}

function taskOf(name: string, bytes: number, { exchange }: Use): EngineTask {
  const sent = randomBytes(bytes);
  return {
    name,
    async check() {
      const different = randomBytes(bytes);
      for (const each of [sent, different, sent]) {
        if (Buffer.concat(await exchange(each)).equals(each)) continue;
        throw new Error(`other bytes came back than the ${bytes} that were sent`);
      }
    },
    run: () => exchange(sent),
  };
}

async function open(kind: Kind, engines: readonly FoundEngine[]): Promise<OpenTasks> {
  const undo: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const each of undo.splice(0).reverse()) await each();
  };
  try {
    const echo = await openEcho();
    undo.push(() => echo.close());
    const tasks: EngineTask[] = [];
    const add = async (name: string, port: number): Promise<void> => {
      const use = await kind.use(port);
      undo.push(() => use.destroy());
      tasks.push(taskOf(name, kind.bytes, use));
    };
    for (const engine of engines) {
      const tunnel = await openTunnel(engine, kind.carrier, echo.port);
      undo.push(() => tunnel.close());
      await add(engine.name, tunnel.port);
    }
    await add(NO_TUNNEL, echo.port);
    return { tasks, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function staying(port: number): Promise<Use> {
  const visitor = await Visitor.connect(port);
  return { exchange: (bytes) => visitor.exchange(bytes), destroy: () => visitor.destroy() };
}

async function coming(port: number): Promise<Use> {
  return { exchange: (bytes) => visit(port, bytes), destroy: () => undefined };
}

function noiseSuite(kib: number): EngineSuite {
  const kind: Kind = { carrier: 'noise', bytes: kib * 1024, use: staying };
  return {
    name: `noise-${kib}k`,
    title: `${kib} KiB there and back over Noise`,
    method: 'benchmark.js',
    open: (engines) => open(kind, engines),
  };
}

function relaySuite(name: string, title: string, use: Kind['use']): EngineSuite {
  const kind: Kind = { carrier: 'tcp', bytes: WAKE_UP_BYTES, use };
  return { name, title, method: 'benchmark.js', open: (engines) => open(kind, engines) };
}

export const ENGINE_SUITES: readonly EngineSuite[] = [
  ...[1, 16, 64].map(noiseSuite),
  relaySuite(
    'relay',
    `wake-ups: ${WAKE_UP_BYTES} B there and back on an open connection, plain tcp`,
    staying,
  ),
  relaySuite(
    'visitor',
    `one new visitor: connection, ${WAKE_UP_BYTES} B there and back, its end, plain tcp`,
    coming,
  ),
];
