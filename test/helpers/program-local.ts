/**
 * Local services for tests, in the test's own process.
 *
 * tcp: the first byte of a connection says what it is for:
 * `E` echo, half-closes passed on; `U` reads to FIN, then answers with the SHA-256 in hex and FIN;
 * `D` with a u32 LE sends that many bytes of the blob and FIN, then reads on to the visitor's FIN.
 *
 * udp: the first byte of a datagram: `N` with a u16 LE is answered by that many bytes of `x`; `S` by
 * the datagram's size and SHA-256; everything else, the empty one included, is echoed.
 */
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { blobBlocks } from '../../ts/demo/blob.ts';
import type { Resources } from './process-resources.ts';

export interface LocalTcp {
  readonly port: number;
  /** What came behind the answer of each `D`, once that visitor's FIN was there. */
  readonly afterDownload: string[];
  /** Connections that are open. */
  readonly sockets: Set<net.Socket>;
  close(): Promise<void>;
}

export async function startLocalTcp(resources: Resources, port = 0): Promise<LocalTcp> {
  const sockets = new Set<net.Socket>();
  const afterDownload: string[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    void serve(socket, afterDownload).catch(() => socket.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const local = {
    port: portOf(server),
    afterDownload,
    sockets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
  resources.defer(() => local.close());
  return local;
}

async function serve(socket: net.Socket, afterDownload: string[]): Promise<void> {
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  let first = Buffer.alloc(0);
  const needs = (): number => (first[0] === CODE.download ? 5 : 1);
  while (first.length < needs()) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    first = Buffer.concat([first, value]);
  }
  const rest = first.subarray(needs());
  if (first[0] === CODE.upload) {
    const hash = createHash('sha256').update(rest);
    for (;;) {
      const { value, done } = await chunks.next();
      if (done === true) break;
      hash.update(value);
    }
    socket.end(hash.digest('hex'));
  } else if (first[0] === CODE.download) {
    for (const block of blobBlocks(first.readUInt32LE(1))) await send(socket, block);
    socket.end();
    let after = rest.toString();
    for (;;) {
      const { value, done } = await chunks.next();
      if (done === true) break;
      after += value.toString();
    }
    afterDownload.push(after);
  } else {
    await send(socket, rest);
    for (;;) {
      const { value, done } = await chunks.next();
      if (done === true) break;
      await send(socket, value);
    }
    socket.end();
  }
}

const CODE = { upload: 0x55, download: 0x44 };

async function send(socket: net.Socket, bytes: Buffer): Promise<void> {
  if (bytes.length > 0 && !socket.write(bytes)) await once(socket, 'drain');
}

export interface LocalUdp {
  readonly port: number;
  /** Sizes of the datagrams that came. */
  readonly sizes: number[];
  /** Source ports seen. */
  readonly sources: Set<number>;
  close(): Promise<void>;
}

export async function startLocalUdp(resources: Resources, port = 0): Promise<LocalUdp> {
  const socket = dgram.createSocket('udp4');
  const sizes: number[] = [];
  const sources = new Set<number>();
  socket.on('message', (payload, from) => {
    sizes.push(payload.length);
    sources.add(from.port);
    socket.send(answer(payload), from.port, from.address);
  });
  socket.on('error', () => undefined);
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  let isOpen = true;
  const local = {
    port: socket.address().port,
    sizes,
    sources,
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      socket.close();
      await once(socket, 'close');
    },
  };
  resources.defer(() => local.close());
  return local;
}

function answer(payload: Buffer): Buffer {
  if (payload[0] === 0x4e && payload.length === 3)
    return Buffer.alloc(payload.readUInt16LE(1), 'x');
  if (payload[0] === 0x53) {
    return Buffer.from(`${payload.length} ${createHash('sha256').update(payload).digest('hex')}`);
  }
  return payload;
}

/** A server on a free port of loopback whose connections a test looks after itself. */
export async function listen(
  resources: Resources,
  onConnection: (socket: net.Socket) => void,
  port = 0,
  host = '127.0.0.1',
): Promise<{ server: net.Server; port: number }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(port, host);
  await once(server, 'listening');
  resources.defer(() => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) server.close();
  });
  return { server, port: portOf(server) };
}

function portOf(server: net.Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}
