/** Visitors: what a program at the public address does. */
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { blobBlocks } from '../../ts/demo/blob.ts';
import { type Resources, within } from './process-resources.ts';

/** Connected, half-open allowed. */
export async function visit(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  await within(once(socket, 'connect'), `a connection to port ${port}`);
  return socket;
}

/** Everything that comes until FIN. @throws on RST */
export async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await within(once(socket, 'end'), 'the end of a connection');
  return Buffer.concat(chunks);
}

/** Sends, FIN, and everything that came back until FIN. */
export async function exchange(port: number, bytes: Buffer | string): Promise<Buffer> {
  const socket = await visit(port);
  try {
    const answer = readAll(socket);
    socket.end(bytes);
    return await answer;
  } finally {
    socket.destroy();
  }
}

/** `E` and a text to the echo: true when the text came back, false on any failure. */
export async function echoes(port: number, text = 'E ping'): Promise<boolean> {
  try {
    return (await exchange(port, text)).toString() === text.slice(1);
  } catch {
    return false;
  }
}

/** The SHA-256 that the local service has computed of the blob's first `size` bytes. */
export async function upload(port: number, size: number): Promise<string> {
  const socket = await visit(port);
  try {
    const answer = readAll(socket);
    socket.write('U');
    for (const block of blobBlocks(size)) {
      if (!socket.write(block)) await within(once(socket, 'drain'), 'room to write', 60_000);
    }
    socket.end();
    return (await answer).toString();
  } finally {
    socket.destroy();
  }
}

/** The SHA-256 of what came; afterwards `after` is sent against the half-closed connection. */
export async function download(port: number, size: number, after: string): Promise<string> {
  const socket = await visit(port);
  try {
    const hash = createHash('sha256');
    socket.on('data', (chunk: Buffer) => hash.update(chunk));
    const end = once(socket, 'end');
    const request = Buffer.alloc(5, 'D');
    request.writeUInt32LE(size, 1);
    socket.write(request);
    await within(end, 'the end of a download', 60_000);
    socket.end(after);
    await within(once(socket, 'close'), 'the close of a download');
    return hash.digest('hex');
  } finally {
    socket.destroy();
  }
}

/** The SHA-256 of the blob's first `size` bytes as the echo gives them back, without a half-close. */
export async function echoBlob(port: number, size: number): Promise<string> {
  const socket = await visit(port);
  try {
    const answer = digestOf(socket, size);
    socket.write('E');
    for (const block of blobBlocks(size)) {
      if (!socket.write(block)) await within(once(socket, 'drain'), 'room to write', 60_000);
    }
    return await answer;
  } finally {
    socket.destroy();
  }
}

/** The SHA-256 of the `size` bytes of the blob that were asked for, without a half-close. */
export async function readBlob(port: number, size: number): Promise<string> {
  const socket = await visit(port);
  try {
    const answer = digestOf(socket, size);
    const request = Buffer.alloc(5, 'D');
    request.writeUInt32LE(size, 1);
    socket.write(request);
    return await answer;
  } finally {
    socket.destroy();
  }
}

/** The SHA-256 of the next `size` bytes. */
async function digestOf(socket: net.Socket, size: number): Promise<string> {
  const hash = createHash('sha256');
  let left = size;
  const all = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      left -= chunk.length;
      if (left <= 0) resolve();
    });
    socket.on('close', () => reject(new Error(`ended with ${left} bytes to come`)));
  });
  await within(all, () => `the last ${left} of ${size} bytes`, 60_000);
  return hash.digest('hex');
}

/** An echo that goes on and can be asked for one more round trip. */
export class EchoVisitor {
  readonly socket: net.Socket;
  #got = '';
  #waiting: (() => void) | undefined;
  #count = 0;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#got += chunk.toString();
      this.#waiting?.();
    });
    socket.on('error', () => undefined);
  }

  static async open(resources: Resources, port: number): Promise<EchoVisitor> {
    const visitor = new EchoVisitor(await visit(port));
    resources.defer(() => visitor.socket.destroy());
    await visitor.ping('E');
    return visitor;
  }

  /** One line there and back. @throws when it does not come back */
  async ping(prefix = ''): Promise<void> {
    this.#count += 1;
    const line = `line ${this.#count}\n`;
    this.#got = '';
    let onClose = (): void => undefined;
    const back = new Promise<void>((resolve, reject) => {
      this.#waiting = () => {
        if (this.#got === line) resolve();
      };
      onClose = () => reject(new Error('the connection was cut'));
      this.socket.once('close', onClose);
    });
    this.socket.write(prefix + line);
    try {
      await within(back, `line ${this.#count} of a visitor`);
    } finally {
      this.socket.off('close', onClose);
    }
  }

  /** FIN, and the other side's. */
  async finish(): Promise<void> {
    const end = once(this.socket, 'end');
    this.socket.end();
    await within(end, 'FIN of an echo');
  }
}

export class UdpVisitor {
  readonly #socket: dgram.Socket;
  readonly #port: number;
  readonly received: Buffer[] = [];
  #waiting: (() => void) | undefined;

  private constructor(socket: dgram.Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('message', (payload) => {
      this.received.push(payload);
      this.#waiting?.();
    });
    socket.on('error', () => undefined);
  }

  static async open(resources: Resources, port: number): Promise<UdpVisitor> {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setRecvBufferSize(4_194_304);
    resources.defer(() => socket.close());
    return new UdpVisitor(socket, port);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Datagrams that the system has not taken yet. */
  get unsent(): number {
    return this.#socket.getSendQueueCount();
  }

  send(payload: Buffer | string): void {
    this.#socket.send(payload, this.#port, '127.0.0.1');
  }

  /** The next datagram. */
  async next(what = 'a datagram'): Promise<Buffer> {
    const come = new Promise<void>((resolve) => {
      if (this.received.length > 0) resolve();
      else this.#waiting = resolve;
    });
    await within(come, what);
    this.#waiting = undefined;
    const first = this.received.shift();
    if (first === undefined) throw new Error('nothing received');
    return first;
  }

  async ask(payload: Buffer | string): Promise<Buffer> {
    this.send(payload);
    return await this.next(`the answer to ${payload.length} bytes`);
  }

  /** Asks until an answer comes: the service may not be up yet. Further answers are dropped. */
  async warmUp(): Promise<void> {
    for (let i = 0; this.received.length === 0; i++) {
      if (i > 400) throw new Error(`no answer at udp port ${this.#port}`);
      this.send('warm up');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // The echoes of all that was sent must not be taken for later answers.
    const last = `last ${Math.random()}`;
    this.send(last);
    while (!(await this.next()).toString().startsWith(last));
  }
}
