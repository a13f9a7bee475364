/** A UDP socket as tests drive it: datagrams in order of arrival. Knows nothing of warren. */
import dgram from 'node:dgram';
import net from 'node:net';
import type { Address } from './peer.ts';
import { within } from './until.ts';

export interface Datagram {
  readonly payload: Buffer;
  readonly from: Address;
}

export class UdpPeer {
  readonly socket: dgram.Socket;
  readonly #queue: Datagram[] = [];
  readonly #takers: ((datagram: Datagram) => void)[] = [];
  received = 0;

  private constructor(socket: dgram.Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (payload, { address, port }) => {
      this.received += 1;
      const datagram = { payload, from: { host: address, port } };
      const taker = this.#takers.shift();
      if (taker === undefined) this.#queue.push(datagram);
      else taker(datagram);
    });
  }

  static async open(options: { host?: string; port?: number } = {}): Promise<UdpPeer> {
    const { host = '127.0.0.1', port = 0 } = options;
    const socket = dgram.createSocket({
      type: net.isIPv6(host) ? 'udp6' : 'udp4',
      recvBufferSize: 4 * 1_024 * 1_024,
    });
    const peer = new UdpPeer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: host, port, exclusive: true }, resolve);
    });
    return peer;
  }

  /** Answers every datagram with itself. */
  static async echo(options: { host?: string; port?: number } = {}): Promise<UdpPeer> {
    const peer = await UdpPeer.open(options);
    peer.socket.removeAllListeners('message');
    peer.socket.on('message', (payload, { address, port }) => {
      peer.received += 1;
      peer.socket.send(payload, port, address);
    });
    return peer;
  }

  get address(): Address {
    const { address, port } = this.socket.address();
    return { host: address, port };
  }

  /** Resolves when the datagram is with the system. */
  send(payload: Uint8Array | string, to: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.send(payload, to.port, to.host, (error) => (error ? reject(error) : resolve()));
    });
  }

  next(what = 'a datagram', timeoutMs?: number): Promise<Datagram> {
    const datagram = this.#queue.shift();
    if (datagram !== undefined) return Promise.resolve(datagram);
    return within(new Promise((resolve) => this.#takers.push(resolve)), what, timeoutMs);
  }

  /** Datagrams that have come and were not taken. */
  get waiting(): number {
    return this.#queue.length;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      try {
        this.socket.close(() => resolve());
      } catch {
        resolve(); // closed before
      }
    });
  }
}
