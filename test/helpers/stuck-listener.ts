/**
 * A TCP address that neither accepts nor refuses: a listener with a full queue, whose thread sleeps.
 * Connects to it stay in SYN-SENT until their deadline, as they do to a dead host.
 */
import net from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Address } from './peer.ts';
import { until } from './until.ts';

const SOURCE = `
  const net = require('node:net');
  const { parentPort } = require('node:worker_threads');
  const server = net.createServer();
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

export class StuckListener {
  readonly address: Address;
  readonly #worker: Worker;
  readonly #fillers: net.Socket[];

  private constructor(address: Address, worker: Worker, fillers: net.Socket[]) {
    this.address = address;
    this.#worker = worker;
    this.#fillers = fillers;
  }

  static async open(): Promise<StuckListener> {
    const worker = new Worker(SOURCE, { eval: true });
    const port = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    const address = { host: '127.0.0.1', port };
    const fillers: net.Socket[] = [];
    // Full when a connect does not complete while the ones before it did.
    for (let stuck = false; !stuck; ) {
      const socket = net.connect(address);
      socket.on('error', () => undefined);
      fillers.push(socket);
      const giveUp = Date.now() + 200;
      await until(() => !socket.connecting || Date.now() > giveUp, 'a filler');
      stuck = socket.connecting;
    }
    return new StuckListener(address, worker, fillers);
  }

  async close(): Promise<void> {
    for (const socket of this.#fillers) socket.destroy();
    await this.#worker.terminate();
  }
}
