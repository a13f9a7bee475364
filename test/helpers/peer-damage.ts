/** What no honest peer does to a connection with a transport on it. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { CarriedSocket } from './carried-socket.ts';
import type { Peer } from './peer.ts';
import { WebsocketCodec } from './peer-websocket.ts';
import type { TransportName } from './transport-cases.ts';

/** Of a TLS record of application data: its type, its version, its length. */
const TLS_HEAD = [23, 3, 3];

/** A record or frame that is none. */
export function forge(name: TransportName, peer: Peer): Promise<void> {
  if (name === 'tls') return write(peer.raw, tlsRecord(randomBytes(64)));
  if (name === 'noise') return write(peer.raw, noiseRecord(randomBytes(64)));
  const { below, codec } = websocketOf(peer);
  return write(below, codec.frame(Buffer.from('x'), { reserved: 4 }));
}

/** Half a record or frame, then FIN. */
export async function cut(name: TransportName, peer: Peer): Promise<void> {
  if (name === 'tls') await write(peer.raw, tlsRecord(randomBytes(64)).subarray(0, 30));
  else if (name === 'noise') await write(peer.raw, noiseRecord(randomBytes(64)).subarray(0, 30));
  else {
    const { below, codec } = websocketOf(peer);
    await write(below, codec.frame(Buffer.alloc(64)).subarray(0, 30));
  }
  silentEnd(peer);
}

/** FIN where the transport would have said goodbye before. */
export function silentEnd(peer: Peer): void {
  peer.raw.end();
}

/** What is below a peer's WebSocket, and its frames. */
export function websocketOf({ socket }: Peer): { below: Duplex; codec: WebsocketCodec } {
  if (!(socket instanceof CarriedSocket) || !(socket.codec instanceof WebsocketCodec)) {
    throw new Error('not a WebSocket');
  }
  return { below: socket.below, codec: socket.codec };
}

function write(to: Duplex, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

function tlsRecord(body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(...TLS_HEAD, body.length >> 8, body.length & 0xff), body]);
}

function noiseRecord(body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(body.length & 0xff, body.length >> 8), body]);
}
