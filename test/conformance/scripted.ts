/**
 * The other end of the wire, byte by byte, on whatever carries it: `ScriptedClient` against an engine
 * that serves, `ScriptedServer` against an engine that dials. They do what a test says and nothing else.
 */
import type { ChannelMode } from '../../ts/config/config.ts';
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
import {
  channelsFrame,
  decodeGaveUp,
  FRAME,
  type Frame,
  frame,
  type GaveUp,
  onFrames,
} from '../helpers/peer-frames.ts';
import { PeerListener } from '../helpers/peer-listener.ts';
import { useOf } from '../helpers/peer-use.ts';
import { until } from '../helpers/until.ts';
import { NAME, TOKEN } from './control-plane.ts';

/** A client whose control channel and data channels are the test's to use. */
export class ScriptedClient {
  readonly control: Peer;
  readonly key: Uint8Array;
  readonly #connect: () => Promise<Peer>;
  readonly #channels: ChannelMode;
  /** Commands, in order, and when each came; channels that frames ask for count one by one. */
  readonly commands: { readonly name: 'create' | 'heartbeat'; readonly at: number }[] = [];
  /** Of a server that reuses channels. */
  readonly gaveUp: GaveUp[] = [];
  drains = 0;

  private constructor(
    connect: () => Promise<Peer>,
    control: Peer,
    key: Uint8Array,
    channels: ChannelMode,
  ) {
    this.#connect = connect;
    this.control = control;
    this.key = key;
    this.#channels = channels;
    if (channels === 'reuse') onFrames(control, (each) => this.#onFrame(each));
    else this.#onCommands();
  }

  #onFrame(each: Frame): void {
    const at = Date.now();
    if (each.type === FRAME.channels) {
      for (let count = each.payload.readUInt16LE(); count > 0; count--) {
        this.commands.push({ name: 'create', at });
      }
    } else if (each.type === FRAME.heartbeat) this.commands.push({ name: 'heartbeat', at });
    else if (each.type === FRAME.drain) this.drains += 1;
    else if (each.type === FRAME.gaveUp) this.gaveUp.push(decodeGaveUp(each));
    else throw new Error(`unknown frame ${each.type}`);
  }

  #onCommands(): void {
    const { control } = this;
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
    options: {
      name?: string;
      token?: string;
      behindAuth?: Uint8Array;
      channels?: ChannelMode;
    } = {},
  ): Promise<ScriptedClient> {
    const { name = NAME, token = TOKEN, behindAuth = new Uint8Array(0), channels = 'v1' } = options;
    const control = await connect();
    await control.write(encodeControlHello(serviceDigest(name)));
    const hello = decodeHello(await control.read(HELLO_LENGTH, 'the server hello'));
    if (hello.kind !== 'control') throw new Error('not a control hello');
    const key = sessionKey(token, hello.digest);
    await control.write(Buffer.concat([key, behindAuth]));
    const ack = decodeAck(await control.read(4, 'the ack'));
    if (ack !== 'ok') throw new Error(`ack ${ack}`);
    return new ScriptedClient(connect, control, key, channels);
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

  /** A data channel that has shown its session key; where it is reused, its first use. */
  async channel(behindHello?: Uint8Array): Promise<Peer> {
    const peer = await this.rawChannel(behindHello);
    return this.#channels === 'reuse' ? useOf(peer, 'client', 0) : peer;
  }

  /** The same, its words for the test to read and write. */
  async rawChannel(behindHello: Uint8Array = new Uint8Array(0)): Promise<Peer> {
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
  readonly #reuse: ChannelMode;
  /** Frames that the client has sent on its newest control channel. */
  readonly frames: Frame[] = [];
  #key: Uint8Array = sessionKey(TOKEN, this.nonce);
  readonly controls: Peer[] = [];
  readonly channels: Peer[] = [];
  readonly #taken: { count: number } = { count: 0 };
  /** Sent in one write with the ack. */
  behindAck: Uint8Array = new Uint8Array(0);

  private constructor(listener: PeerListener, channels: ChannelMode) {
    this.listener = listener;
    this.#reuse = channels;
  }

  static async open(
    carry?: Carry,
    port = 0,
    channels: ChannelMode = 'v1',
  ): Promise<ScriptedServer> {
    let server: ScriptedServer | undefined;
    const listener = await PeerListener.open({
      port,
      ...(carry === undefined ? {} : { carry }),
      serve: (peer) => void server?.accept(peer).catch(() => undefined),
    });
    server = new ScriptedServer(listener, channels);
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
    if (this.#reuse === 'reuse') onFrames(peer, (each) => this.frames.push(each));
  }

  get gaveUp(): GaveUp[] {
    return this.frames.filter(({ type }) => type === FRAME.gaveUp).map(decodeGaveUp);
  }

  get control(): Peer {
    const control = this.controls.at(-1);
    if (control === undefined) throw new Error('no control channel');
    return control;
  }

  create(count = 1): Promise<void> {
    if (this.#reuse === 'reuse') return this.control.write(channelsFrame(count));
    return this.control.write(Buffer.concat(Array.from({ length: count }, () => COMMAND_CREATE)));
  }

  heartbeat(): Promise<void> {
    const isReuse = this.#reuse === 'reuse';
    return this.control.write(isReuse ? frame(FRAME.heartbeat) : COMMAND_HEARTBEAT);
  }

  /** The next data channel that showed the session key; where it is reused, its first use. */
  async channel(): Promise<Peer> {
    const peer = await this.rawChannel();
    return this.#reuse === 'reuse' ? useOf(peer, 'server', this.#taken.count) : peer;
  }

  /** The same, its words for the test to read and write. */
  async rawChannel(): Promise<Peer> {
    const at = this.#taken.count++;
    return until(() => this.channels[at], `data channel ${at + 1}`);
  }

  close(): Promise<void> {
    return this.listener.close();
  }
}
