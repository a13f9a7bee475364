// Visitors of a tunnel: one that stays and asks again and again, and one that comes for a single
// question. Both settle only when every byte is back.

import { once } from 'node:events';
import net from 'node:net';
import { HOST } from './echo.ts';

interface Waiting {
  missing: number;
  readonly came: Buffer[];
  resolve(came: Buffer[]): void;
  reject(error: Error): void;
}

/** A connection that stays. */
export class Visitor {
  readonly #socket: net.Socket;
  #waiting: Waiting | undefined;
  #error: Error | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the tunnel closed the connection')));
  }

  static async connect(port: number): Promise<Visitor> {
    const socket = net.connect({ host: HOST, port, noDelay: true });
    await once(socket, 'connect');
    return new Visitor(socket);
  }

  /** Sends `bytes` and gives what came back, as much as was sent. One at a time. */
  exchange(bytes: Buffer): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) return reject(this.#error);
      this.#waiting = { missing: bytes.length, came: [], resolve, reject };
      this.#socket.write(bytes);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    const waiting = this.#waiting;
    if (waiting === undefined || bytes.length > waiting.missing) {
      this.#fail(new Error('more came back than was sent'));
      return;
    }
    waiting.came.push(bytes);
    waiting.missing -= bytes.length;
    if (waiting.missing > 0) return;
    this.#waiting = undefined;
    waiting.resolve(waiting.came);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#waiting?.reject(this.#error);
    this.#waiting = undefined;
    this.#socket.destroy();
  }
}

/** The whole life of a visitor: it connects, asks once, ends, and waits for the other end. */
export function visit(port: number, bytes: Buffer): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const came: Buffer[] = [];
    let missing = bytes.length;
    const socket = net.connect({ host: HOST, port, noDelay: true });
    socket.write(bytes);
    socket.on('data', (more) => {
      came.push(more);
      missing -= more.length;
      if (missing <= 0) socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (missing === 0) resolve(came);
      else {
        const difference = missing > 0 ? `${missing} bytes less` : `${-missing} bytes more`;
        reject(new Error(`a visitor got ${difference} than it had sent`));
      }
    });
  });
}
