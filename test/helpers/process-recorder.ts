/**
 * A proxy on loopback that records what passes: every connection's bytes both ways, in order. It can
 * also be told to drop everything at once, as a network does.
 */
import { once } from 'node:events';
import net from 'node:net';
import type { Resources } from './process-resources.ts';

export class Recording {
  readonly #up: Buffer[] = [];
  readonly #down: Buffer[] = [];
  readonly #sockets: readonly net.Socket[];
  ended = false;

  constructor(client: net.Socket, server: net.Socket) {
    this.#sockets = [client, server];
    pass(client, server, this.#up);
    pass(server, client, this.#down);
    for (const socket of this.#sockets) {
      socket.on('error', () => this.destroy());
      socket.on('close', () => {
        this.ended = true;
      });
    }
  }

  /** Dialler to server. */
  get up(): Buffer {
    return Buffer.concat(this.#up);
  }

  /** Server to dialler. */
  get down(): Buffer {
    return Buffer.concat(this.#down);
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function pass(from: net.Socket, to: net.Socket, log: Buffer[]): void {
  from.on('data', (chunk: Buffer) => {
    log.push(chunk);
    if (!to.write(chunk)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.on('end', () => to.end());
}

export class Recorder {
  /** In the order in which they came. */
  readonly recordings: Recording[] = [];
  readonly #server: net.Server;

  private constructor(server: net.Server) {
    this.#server = server;
  }

  /** Passes everything on to 127.0.0.1:`target`. */
  static async open(resources: Resources, target: number): Promise<Recorder> {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true });
    const recorder = new Recorder(server);
    server.on('connection', (client) => {
      const onward = net.connect({
        host: '127.0.0.1',
        port: target,
        allowHalfOpen: true,
        noDelay: true,
      });
      recorder.recordings.push(new Recording(client, onward));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    resources.defer(() => recorder.close());
    return recorder;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  /** Those whose dialler began with this u32. 0: control channels, 1: data channels. */
  ofKind(kind: 0 | 1): Recording[] {
    return this.recordings.filter(({ up }) => up.length >= 4 && up.readUInt32LE(0) === kind);
  }

  /** Drops every connection; new ones are taken. */
  cut(): void {
    for (const recording of this.recordings) recording.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}
