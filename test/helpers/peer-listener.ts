/** A TCP listener as tests drive it. Knows nothing of warren. */
import net from 'node:net';
import { type Address, type Carry, Peer } from './peer.ts';
import { within } from './until.ts';

/** A listener whose connections are taken one after the other, or served by a callback. */
export class PeerListener {
  readonly server: net.Server;
  readonly peers: Peer[] = [];
  readonly #raw = new Set<net.Socket>();
  readonly #queue: Peer[] = [];
  readonly #takers: ((peer: Peer) => void)[] = [];

  private constructor(server: net.Server) {
    this.server = server;
  }

  /**
   * `serve`: what happens to each connection; without it they wait for `next`. `carry`: the transport
   * on each; one whose handshake fails is dropped.
   */
  static async open(
    options: {
      serve?: (peer: Peer) => void;
      paused?: boolean;
      host?: string;
      port?: number;
      backlog?: number;
      carry?: Carry;
    } = {},
  ): Promise<PeerListener> {
    const { serve, carry, paused = false } = options;
    const { host = '127.0.0.1', port = 0, backlog = 4_096 } = options;
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: paused });
    const listener = new PeerListener(server);
    const take = (peer: Peer): void => {
      listener.peers.push(peer);
      if (serve !== undefined) serve(peer);
      else listener.#add(peer);
    };
    server.on('connection', (socket) => {
      if (carry === undefined) take(new Peer(socket, { paused }));
      else {
        listener.#raw.add(socket);
        void Peer.carried(socket, carry).then(take, () => socket.destroy());
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog }, resolve);
    });
    return listener;
  }

  get address(): Address {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return { host: address.address, port: address.port };
  }

  /** The next connection. */
  next(what = 'a connection'): Promise<Peer> {
    const peer = this.#queue.shift();
    if (peer !== undefined) return Promise.resolve(peer);
    return within(new Promise((resolve) => this.#takers.push(resolve)), what);
  }

  get waiting(): number {
    return this.#queue.length;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const peer of this.peers) peer.destroy();
    for (const socket of this.#raw) socket.destroy();
    await closed;
  }

  #add(peer: Peer): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#queue.push(peer);
    else taker(peer);
  }
}
