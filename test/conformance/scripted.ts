/**
 * The other end of the wire, byte by byte, on whatever carries it: `ScriptedClient` against an engine
 * that serves, `ScriptedServer` against an engine that dials. They do what a test says and nothing else.
 */
import {
  ACK_OK,
  AUTH_LENGTH,
  COMMAND_CREATE,
  COMMAND_HEARTBEAT,
  COMMAND_LENGTH,
  decodeAck,
  decodeHello,
  encodeControlHello,
  encodeDataHello,
  HELLO_LENGTH,
  serviceDigest,
  sessionKey,
} from '../../ts/protocol/wire.ts';
import type { Address, Carry, Peer } from '../helpers/peer.ts';
import { PeerListener } from '../helpers/peer-listener.ts';
import { until } from '../helpers/until.ts';
import { NAME, TOKEN } from './control-plane.ts';

/** A client whose control channel and data channels are the test's to use. */
export class ScriptedClient {
  readonly control: Peer;
  readonly key: Uint8Array;
  readonly #connect: () => Promise<Peer>;
  /** Commands, in order, and when each came. */
  readonly commands: { readonly name: 'create' | 'heartbeat'; readonly at: number }[] = [];

  private constructor(connect: () => Promise<Peer>, control: Peer, key: Uint8Array) {
    this.#connect = connect;
    this.control = control;
    this.key = key;
    const onData = (): void => {
      while (control.buffered >= COMMAND_LENGTH) {
        const command = control.take(COMMAND_LENGTH);
        const name = command.equals(COMMAND_CREATE) ? 'create' : 'heartbeat';
        if (name === 'heartbeat' && !command.equals(COMMAND_HEARTBEAT)) {
          throw new Error(`unknown command ${command.toString('hex')}`);
        }
        this.commands.push({ name, at: Date.now() });
      }
    };
    onData();
    control.socket.on('data', onData);
  }

  /** Hello, auth, ack. `behindAuth` is sent in one write with the auth message. */
  static async connect(
    connect: () => Promise<Peer>,
    options: { name?: string; token?: string; behindAuth?: Uint8Array } = {},
  ): Promise<ScriptedClient> {
    const { name = NAME, token = TOKEN, behindAuth = new Uint8Array(0) } = options;
    const control = await connect();
    await control.write(encodeControlHello(serviceDigest(name)));
    const hello = decodeHello(await control.read(HELLO_LENGTH, 'the server hello'));
    if (hello.kind !== 'control') throw new Error('not a control hello');
    const key = sessionKey(token, hello.digest);
    await control.write(Buffer.concat([key, behindAuth]));
    const ack = decodeAck(await control.read(4, 'the ack'));
    if (ack !== 'ok') throw new Error(`ack ${ack}`);
    return new ScriptedClient(connect, control, key);
  }

  get creates(): number {
    return this.commands.filter(({ name }) => name === 'create').length;
  }

  get heartbeats(): number {
    return this.commands.length - this.creates;
  }

  untilCreates(count: number): Promise<unknown> {
    return until(() => this.creates >= count, `${count} create commands (${this.creates} came)`);
  }

  /** A data channel that has shown its session key. */
  async channel(behindHello: Uint8Array = new Uint8Array(0)): Promise<Peer> {
    const peer = await this.#connect();
    await peer.write(Buffer.concat([encodeDataHello(this.key), behindHello]));
    return peer;
  }

  channels(count: number): Promise<Peer[]> {
    return Promise.all(Array.from({ length: count }, () => this.channel()));
  }
}

/** A server that answers the handshake and queues the data channels that come. */
export class ScriptedServer {
  readonly listener: PeerListener;
  readonly nonce: Buffer = Buffer.alloc(32, 7);
  #key: Uint8Array = sessionKey(TOKEN, this.nonce);
  readonly controls: Peer[] = [];
  readonly channels: Peer[] = [];
  readonly #taken: { count: number } = { count: 0 };
  /** Sent in one write with the ack. */
  behindAck: Uint8Array = new Uint8Array(0);

  private constructor(listener: PeerListener) {
    this.listener = listener;
  }

  static async open(carry?: Carry, port = 0): Promise<ScriptedServer> {
    let server: ScriptedServer | undefined;
    const listener = await PeerListener.open({
      port,
      ...(carry === undefined ? {} : { carry }),
      serve: (peer) => void server?.accept(peer).catch(() => undefined),
    });
    server = new ScriptedServer(listener);
    return server;
  }

  get address(): Address {
    return this.listener.address;
  }

  get key(): Uint8Array {
    return this.#key;
  }

  private async accept(peer: Peer): Promise<void> {
    const hello = decodeHello(await peer.read(HELLO_LENGTH, 'a hello'));
    if (hello.kind === 'data') {
      if (Buffer.compare(hello.digest, this.#key) !== 0) throw new Error('wrong session key');
      this.channels.push(peer);
      return;
    }
    if (hello.kind !== 'control') throw new Error('bad hello');
    await peer.write(encodeControlHello(this.nonce));
    this.#key = await peer.read(AUTH_LENGTH, 'the auth');
    await peer.write(Buffer.concat([ACK_OK, this.behindAck]));
    this.controls.push(peer);
  }

  get control(): Peer {
    const control = this.controls.at(-1);
    if (control === undefined) throw new Error('no control channel');
    return control;
  }

  create(count = 1): Promise<void> {
    return this.control.write(Buffer.concat(Array.from({ length: count }, () => COMMAND_CREATE)));
  }

  heartbeat(): Promise<void> {
    return this.control.write(COMMAND_HEARTBEAT);
  }

  /** The next data channel that showed the session key. */
  async channel(): Promise<Peer> {
    const at = this.#taken.count++;
    return until(() => this.channels[at], `data channel ${at + 1}`);
  }

  close(): Promise<void> {
    return this.listener.close();
  }
}
