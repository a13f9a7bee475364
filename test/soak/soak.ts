/**
 * A tunnel of reused channels under everything that may befall it at once: visitors of all sizes, half-closes,
 * aborts from either side, readers that pause, a proxy that splits and delays, channels and sessions that are
 * cut. Every byte at every reader is checked; a clean end must have had all of them.
 */
import net from 'node:net';
import { type Address, brokenAtEnd } from '../helpers/peer.ts';
import type { TunnelProxy } from '../helpers/tunnel-proxy.ts';
import { turn } from '../helpers/until.ts';
import { Dice, type Direction, TaggedStream } from './tagged-bytes.ts';

/** First of all a visitor says its number, and how long its two streams are. */
const HEAD_LENGTH = 12;

export interface SoakOptions {
  readonly seed: number;
  readonly forMs: number;
  /** Visitors at once. */
  readonly atOnce: number;
  readonly bytesMax: number;
  /** Where visitors come in. */
  readonly entrance: Address;
  /** What is between the ends, where its connections are to be cut. */
  readonly cuts: TunnelProxy | undefined;
}

export interface SoakResult {
  visitors: number;
  /** Both streams whole, FIN both ways. */
  whole: number;
  aborted: number;
  cuts: number;
  bytes: number;
  /** What must never be. */
  readonly errors: string[];
}

interface Plan {
  readonly visitor: number;
  readonly lengths: Readonly<Record<Direction, number>>;
  /** Who resets, after so many bytes of its own. */
  readonly abort: { readonly by: 'visitor' | 'local'; readonly after: number } | undefined;
  readonly isSlow: Readonly<Record<Direction, boolean>>;
  /** Who ends only when the other one has; the other one half-closes. */
  readonly last: 'visitor' | 'local' | 'none';
}

/** The local service of a soak: it knows by its head whose connection it has. */
export class SoakLocal {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #plans = new Map<number, Plan>();
  readonly #result: SoakResult;

  constructor(result: SoakResult) {
    this.#result = result;
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      void this.#serve(socket);
    });
  }

  async listen(): Promise<Address> {
    await new Promise<void>((resolve) =>
      this.#server.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 }, resolve),
    );
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return { host: address.address, port: address.port };
  }

  expect(plan: Plan): void {
    this.#plans.set(plan.visitor, plan);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(socket: net.Socket): Promise<void> {
    const head = await readHead(socket);
    if (head === undefined) return;
    const visitor = head.readUInt32LE(0);
    const plan = this.#plans.get(visitor);
    // One connection for one visitor, once: its plan is taken.
    this.#plans.delete(visitor);
    const { in: inLength = -1, out = -1 } = plan?.lengths ?? {};
    if (plan === undefined || head.readUInt32LE(4) !== inLength || head.readUInt32LE(8) !== out) {
      this.#result.errors.push(`a connection with the head ${head.toString('hex')}`);
      socket.destroy();
      return;
    }
    await side(socket, plan, 'local', this.#result);
  }
}

export async function soak(
  options: SoakOptions,
  local: SoakLocal,
  result: SoakResult,
): Promise<void> {
  const dice = new Dice(options.seed);
  const over = Date.now() + options.forMs;
  let number = 0;
  const one = async (): Promise<void> => {
    while (Date.now() < over && result.errors.length === 0) {
      number += 1;
      await visit(planOf(number, dice, options.bytesMax), options, local, result);
    }
  };
  const cutting = cut(options, dice, over, result);
  await Promise.all(Array.from({ length: options.atOnce }, one));
  await cutting;
}

function planOf(visitor: number, dice: Dice, bytesMax: number): Plan {
  const lengths = { in: dice.size(bytesMax) - 1, out: dice.size(bytesMax) - 1 };
  const by: 'visitor' | 'local' = dice.isOneIn(2) ? 'visitor' : 'local';
  const own = by === 'visitor' ? lengths.in : lengths.out;
  const abort = dice.isOneIn(4) ? { by, after: dice.below(own + 1) } : undefined;
  const isSlow = { in: dice.isOneIn(8), out: dice.isOneIn(8) };
  const last = (['visitor', 'local', 'none'] as const)[dice.below(3)] ?? 'none';
  return { visitor, lengths, abort, isSlow, last };
}

async function visit(
  plan: Plan,
  options: SoakOptions,
  local: SoakLocal,
  result: SoakResult,
): Promise<void> {
  local.expect(plan);
  const socket = net.connect({ ...options.entrance, allowHalfOpen: true });
  const isConnected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  result.visitors += 1;
  if (!isConnected) {
    // No session, so no address: one was cut.
    result.aborted += 1;
    if (options.cuts === undefined) result.errors.push(`visitor ${plan.visitor} was refused`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return;
  }
  const head = Buffer.alloc(HEAD_LENGTH);
  head.writeUInt32LE(plan.visitor, 0);
  head.writeUInt32LE(plan.lengths.in, 4);
  head.writeUInt32LE(plan.lengths.out, 8);
  socket.write(head);
  const isWhole = await side(socket, plan, 'visitor', result);
  if (isWhole) result.whole += 1;
  else result.aborted += 1;
  if (!isWhole && plan.abort === undefined && options.cuts === undefined) {
    result.errors.push(`visitor ${plan.visitor}: nobody ended it, and it is not whole`);
  }
}

/** One end of a visitor's way: writes its stream, checks the other one. Resolves with whether it is whole. */
async function side(
  socket: net.Socket,
  plan: Plan,
  who: 'visitor' | 'local',
  result: SoakResult,
): Promise<boolean> {
  const [own, other] = who === 'visitor' ? (['in', 'out'] as const) : (['out', 'in'] as const);
  const incoming = new TaggedStream(plan.visitor, other);
  const isSlow = plan.isSlow[other];
  let error: Error | undefined;
  socket.setNoDelay(true);
  socket.on('error', (cause) => {
    error = cause;
  });
  socket.on('data', (bytes: Buffer) => {
    const foreign = incoming.firstForeign(bytes);
    result.bytes += bytes.length;
    if (foreign !== undefined) {
      result.errors.push(`visitor ${plan.visitor}, ${other}: a foreign byte at ${foreign}`);
      socket.destroy();
    }
    if (isSlow) {
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    }
  });
  let isEnded = false;
  const ended = new Promise<void>((resolve) => socket.once('end', resolve).once('close', resolve));
  socket.on('end', () => {
    // Who has sent FIN cannot tell FIN from RST behind bytes: the other end of the pair is told apart.
    const isSure = !socket.writableEnded && !brokenAtEnd(socket);
    isEnded = incoming.at === plan.lengths[other];
    if (isSure && !isEnded) {
      result.errors.push(
        `visitor ${plan.visitor}, ${other}: FIN after ${incoming.at} of ${plan.lengths[other]} bytes`,
      );
    }
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.resume();
  if (await send(socket, plan, who, own)) {
    if (plan.last === who) await ended;
    socket.end();
  }
  await closed;
  return isEnded && error === undefined;
}

/** Whether all of it is written; not where this end reset or the connection is gone. */
async function send(
  socket: net.Socket,
  plan: Plan,
  who: 'visitor' | 'local',
  own: Direction,
): Promise<boolean> {
  const outgoing = new TaggedStream(plan.visitor, own);
  const dice = new Dice(plan.visitor);
  const abortAt = plan.abort?.by === who ? plan.abort.after : undefined;
  while (outgoing.at < plan.lengths[own] || abortAt !== undefined) {
    if (socket.destroyed) return false;
    if (outgoing.at === abortAt) {
      if (dice.isOneIn(2)) await turn();
      socket.resetAndDestroy();
      return false;
    }
    const left = (abortAt ?? plan.lengths[own]) - outgoing.at;
    const isTaken = socket.write(outgoing.take(Math.min(left, 1 + dice.size(100_000))));
    if (!isTaken) await drained(socket);
    else if (dice.isOneIn(3)) await turn();
  }
  return true;
}

/** Cuts one of all connections now and then: a data channel, and sometimes the session. */
async function cut(
  { cuts: proxy }: SoakOptions,
  dice: Dice,
  over: number,
  result: SoakResult,
): Promise<void> {
  if (proxy === undefined) return;
  while (Date.now() < over) {
    await new Promise((resolve) => setTimeout(resolve, 20 + dice.below(80)));
    // The oldest one is the control channel, but for a moment behind each cut of it.
    const [control, ...channels] = proxy.open;
    const chosen = dice.isOneIn(20) ? control : channels[dice.below(channels.length)];
    if (chosen === undefined) continue;
    proxy.cut(chosen);
    result.cuts += 1;
  }
}

/** The first bytes; what came behind them is left to be read. */
function readHead(socket: net.Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let kept = Buffer.alloc(0);
    const onData = (bytes: Buffer): void => {
      kept = Buffer.concat([kept, bytes]);
      if (kept.length < HEAD_LENGTH) return;
      socket.off('data', onData).pause();
      if (kept.length > HEAD_LENGTH) socket.unshift(kept.subarray(HEAD_LENGTH));
      resolve(kept.subarray(0, HEAD_LENGTH));
    };
    socket.on('data', onData).on('error', () => undefined);
    socket.once('end', () => resolve(undefined)).once('close', () => resolve(undefined));
  });
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['drain', 'close']) socket.once(name, () => resolve());
  });
}
