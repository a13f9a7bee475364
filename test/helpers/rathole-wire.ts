/**
 * A raw peer of wire v1 on plain sockets: hello, auth, ack and commands with exact reads, for tests
 * that play one end by hand. Written from the protocol's description, not with the codec under test.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { type Resources, until, within } from './process-resources.ts';
import { listen } from './program-local.ts';

export const CONTROL = 0;
export const DATA = 1;
export const ACK_OK = 0;
export const ACK_NO_SERVICE = 1;
export const ACK_BAD_TOKEN = 2;
export const CREATE = 0;
export const HEARTBEAT = 1;
export const TCP = 0;
export const UDP = 1;

const HELLO_LENGTH = 37;
const DIGEST_LENGTH = 32;

export function sha256(...parts: (Uint8Array | string)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function hello(kind: number, digest: Uint8Array, version = 1): Buffer {
  return Buffer.concat([u32(kind), Buffer.from([version]), digest]);
}

/** One UDP frame of an IPv4 visitor. */
export function udpFrame(host: string, port: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(13);
  head[0] = 12;
  head.set(host.split('.').map(Number), 5);
  head.writeUInt16LE(port, 9);
  head.writeUInt16LE(bytes.length, 11);
  return Buffer.concat([head, bytes]);
}

export interface Frame {
  readonly host: string;
  readonly port: number;
  readonly payload: Buffer;
}

/** A socket that is read in exact amounts. */
export class Wire {
  readonly socket: net.Socket;
  /** Sizes of the chunks in which bytes came. */
  readonly chunks: number[] = [];
  #got: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #state: 'open' | 'fin' | 'reset' | 'closed' = 'open';

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk.length);
      this.#got = Buffer.concat([this.#got, chunk]);
      this.#wake?.();
    });
    socket.on('end', () => this.#become('fin'));
    socket.on('error', () => this.#become('reset'));
    socket.on('close', () => this.#become('closed'));
  }

  /** Connected to a port of loopback. */
  static async connect(resources: Resources, port: number, host = '127.0.0.1'): Promise<Wire> {
    const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
    resources.use(socket);
    const wire = new Wire(socket);
    // A peer that resets at once may be seen before the connection is: that is its end, no error.
    const settled = new Promise((resolve) =>
      socket.once('connect', resolve).once('close', resolve),
    );
    await within(settled, `a connection to port ${port}`);
    return wire;
  }

  /** Neither FIN nor RST has come. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get wasReset(): boolean {
    return this.#state === 'reset';
  }

  /** Bytes that came and were not read. */
  get unread(): Buffer {
    return this.#got;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  async read(length: number, what = `${length} bytes`): Promise<Buffer> {
    await within(
      this.#when(() => this.#got.length >= length, what),
      what,
    );
    const bytes = this.#got.subarray(0, length);
    this.#got = this.#got.subarray(length);
    return bytes;
  }

  async readU32(what = 'a u32'): Promise<number> {
    return (await this.read(4, what)).readUInt32LE();
  }

  async readHello(): Promise<{ kind: number; version: number; digest: Buffer }> {
    const bytes = await this.read(HELLO_LENGTH, 'a hello');
    return {
      kind: bytes.readUInt32LE(),
      version: bytes[4] ?? -1,
      digest: bytes.subarray(HELLO_LENGTH - DIGEST_LENGTH),
    };
  }

  async readFrame(): Promise<Frame> {
    const length = (await this.read(1, 'a frame'))[0] ?? 0;
    const header = await this.read(length, 'a frame header');
    const address = header.subarray(4, length - 4);
    const payload = await this.read(header.readUInt16LE(length - 2), 'a frame payload');
    return { host: address.join('.'), port: header.readUInt16LE(length - 4), payload };
  }

  /** Resolves with FIN or RST. */
  async end(what = 'the end of a connection'): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      if (!this.isOpen) resolve();
      else this.socket.once('end', resolve).once('close', () => resolve());
    });
    await within(ended, what);
  }

  /** Sends FIN and resolves when the connection is gone; `wasReset` is final then. */
  async close(): Promise<void> {
    if (this.socket.closed) return;
    const closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.end();
    await within(closed, 'the close of a connection');
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  #become(state: 'fin' | 'reset' | 'closed'): void {
    if (this.#state === 'open' || (this.#state === 'fin' && state === 'reset')) this.#state = state;
    this.#wake?.();
  }

  #when(ready: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (ready()) resolve();
        else if (!this.isOpen) {
          reject(new Error(`${this.#state} with ${this.#got.length} bytes, waiting for ${what}`));
        } else return;
        this.#wake = undefined;
      };
      this.#wake();
    });
  }
}

export interface WireClientOptions {
  readonly port: number;
  readonly service: string;
  readonly token: string;
  readonly resources: Resources;
}

/** A client by hand, authenticated. */
export class WireClient {
  readonly control: Wire;
  readonly key: Buffer;
  readonly #options: WireClientOptions;

  private constructor(control: Wire, key: Buffer, options: WireClientOptions) {
    this.control = control;
    this.key = key;
    this.#options = options;
  }

  static async open(options: WireClientOptions): Promise<WireClient> {
    const { control, key, ack } = await handshake(options);
    if (ack !== ACK_OK) throw new Error(`refused with ack ${ack}`);
    return new WireClient(control, key, options);
  }

  /** The next command that is a create; heartbeats are passed over. */
  async create(): Promise<void> {
    while ((await this.control.readU32('a create command')) !== CREATE);
  }

  /** Opens a data channel and shows the session key. */
  async channel(key: Uint8Array = this.key): Promise<Wire> {
    const { resources, port } = this.#options;
    const wire = await Wire.connect(resources, port);
    wire.write(hello(DATA, key));
    return wire;
  }
}

/** The handshake up to the ack, whatever it is. */
export async function handshake(
  options: WireClientOptions,
): Promise<{ control: Wire; key: Buffer; ack: number }> {
  const { port, service, token, resources } = options;
  const control = await Wire.connect(resources, port);
  control.write(hello(CONTROL, sha256(service)));
  const { digest } = await control.readHello();
  const key = sha256(token, digest);
  control.write(key);
  return { control, key, ack: await control.readU32('an ack') };
}

/** A server by hand: its connections in the order in which they come. */
export class WireServer {
  readonly port: number;
  readonly #listener: net.Server;
  readonly #host: string;
  readonly #waiting: Wire[] = [];
  /** All that ever came. */
  readonly all: Wire[] = [];
  #wake: (() => void) | undefined;

  private constructor(listener: net.Server, port: number, host: string) {
    this.#listener = listener;
    this.port = port;
    this.#host = host;
  }

  static async open(resources: Resources, port = 0, host = '127.0.0.1'): Promise<WireServer> {
    let server: WireServer | undefined;
    const listener = await listen(
      resources,
      (socket) => {
        server?.take(new Wire(socket));
      },
      port,
      host,
    );
    server = new WireServer(listener.server, listener.port, host);
    return server;
  }

  /** Refuses new connections; those that are there stay. */
  async pause(): Promise<void> {
    this.#listener.close();
    // `close` waits for the connections, listening ends at once.
    await until('the listener to close', () => !this.#listener.listening);
  }

  /** Listens again on the same port. */
  async unpause(): Promise<void> {
    this.#listener.listen(this.port, this.#host);
    await once(this.#listener, 'listening');
  }

  private take(wire: Wire): void {
    this.all.push(wire);
    this.#waiting.push(wire);
    this.#wake?.();
  }

  async accept(what = 'a connection'): Promise<Wire> {
    const come = new Promise<void>((resolve) => {
      if (this.#waiting.length > 0) resolve();
      else this.#wake = resolve;
    });
    await within(come, what);
    this.#wake = undefined;
    const wire = this.#waiting.shift();
    if (wire === undefined) throw new Error('no connection');
    return wire;
  }

  /** Accepts a control channel and lets it in. */
  async session(token: string): Promise<{ control: Wire; key: Buffer; service: Buffer }> {
    const control = await this.accept('a control channel');
    const { digest } = await control.readHello();
    const nonce = randomBytes(DIGEST_LENGTH);
    control.write(hello(CONTROL, nonce));
    const key = await control.read(DIGEST_LENGTH, 'auth');
    if (!key.equals(sha256(token, nonce))) throw new Error('the wrong auth');
    control.write(u32(ACK_OK));
    return { control, key, service: digest };
  }

  /** Asks for a data channel and accepts it. */
  async channel(control: Wire): Promise<Wire> {
    control.write(u32(CREATE));
    const wire = await this.accept('a data channel');
    await wire.readHello();
    return wire;
  }
}
