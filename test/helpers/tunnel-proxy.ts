/**
 * A TCP proxy between two ends of a tunnel: it counts connections, hands bytes on in pieces of any size at
 * any time, and cuts. So both ends meet short reads and writes, which loopback alone hardly ever makes.
 */
import net from 'node:net';
import type { Address } from './peer.ts';

export interface ProxyOptions {
  /** The length of the next piece; without it bytes go on as they come. */
  readonly pieceLength?: () => number;
  /** Whether the next piece waits for another turn of the loop. */
  readonly pauses?: () => boolean;
}

export class TunnelProxy {
  readonly #server: net.Server;
  readonly #target: Address;
  readonly #options: ProxyOptions;
  /** From the side that dialled us to the other one. */
  readonly #open = new Map<net.Socket, net.Socket>();
  /** Connections so far, in all. */
  connections = 0;

  private constructor(target: Address, options: ProxyOptions) {
    this.#target = target;
    this.#options = options;
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => this.#take(socket));
  }

  static async open(target: Address, options: ProxyOptions = {}): Promise<TunnelProxy> {
    const proxy = new TunnelProxy(target, options);
    await new Promise<void>((resolve) =>
      proxy.#server.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 }, resolve),
    );
    return proxy;
  }

  get address(): Address {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return { host: address.address, port: address.port };
  }

  /** Connections that are open, oldest first; the first one is a control channel. */
  get open(): readonly net.Socket[] {
    return [...this.#open.keys()];
  }

  /** RST to both sides, now: it is not open any more. */
  cut(connection: net.Socket): void {
    this.#open.get(connection)?.resetAndDestroy();
    this.#open.delete(connection);
    connection.resetAndDestroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#open.keys()) socket.destroy();
    await closed;
  }

  #take(near: net.Socket): void {
    this.connections += 1;
    const far = net.connect({ ...this.#target, allowHalfOpen: true });
    this.#open.set(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      void this.#pass(from, to);
      from.on('error', () => to.resetAndDestroy());
      from.on('close', () => {
        this.#open.delete(near);
        // What ended in both directions has passed both ends on.
        if (!(from.readableEnded && from.writableFinished)) to.resetAndDestroy();
      });
    }
  }

  async #pass(from: net.Socket, to: net.Socket): Promise<void> {
    const { pieceLength, pauses } = this.#options;
    try {
      // A plain loop would destroy what has only half ended.
      const chunks = from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; ) {
          const end = pieceLength === undefined ? chunk.length : at + Math.max(1, pieceLength());
          if (pauses?.()) await new Promise((resolve) => setImmediate(resolve));
          if (!to.write(chunk.subarray(at, end))) await drained(to);
          at = end;
        }
      }
      to.end();
    } catch {
      // The connection has ended; its `close` tells the other side.
    }
  }
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      socket.off('drain', onDrain).off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onDrain = (): void => settle();
    const onClose = (): void => settle(new Error('closed'));
    socket.once('drain', onDrain).once('close', onClose);
  });
}
