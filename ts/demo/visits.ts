/**
 * What the demo does as a visitor: a page, a big transfer, datagrams. Each throws when it is not
 * right.
 */
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { blobDigest } from './blob.ts';
import { PAGE } from './page.ts';

/** A datagram may be lost by anybody on its way; then it is sent again. */
const RESEND_MS = 500;

async function open(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  const request = get(url, { agent: false, signal });
  const [response]: IncomingMessage[] = await once(request, 'response', { signal });
  if (response === undefined) throw new Error(`${url}: no response`);
  if (response.statusCode !== 200) throw new Error(`${url}: status ${response.statusCode}`);
  return response;
}

/** Fetches the page; returns its length. */
export async function visitPage(address: string, signal: AbortSignal): Promise<number> {
  const response = await open(`http://${address}/`, signal);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  if (text !== PAGE) throw new Error('the page is not what the local service sent');
  return Buffer.byteLength(text);
}

export interface Transfer {
  readonly digest: string;
  readonly seconds: number;
}

/** Fetches `bytes` bytes, holding none of them, and compares the digest with our own. */
export async function visitBlob(
  address: string,
  bytes: number,
  onProgress: (received: number) => void,
  signal: AbortSignal,
): Promise<Transfer> {
  const expected = blobDigest(bytes);
  const begin = performance.now();
  const response = await open(`http://${address}/blob?bytes=${bytes}`, signal);
  const hash = createHash('sha256');
  let received = 0;
  response.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    received += chunk.length;
    onProgress(received);
  });
  await once(response, 'end', { signal });
  const seconds = (performance.now() - begin) / 1_000;
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  const digest = hash.digest('hex');
  if (digest !== expected) throw new Error(`SHA-256 is ${digest}, expected ${expected}`);
  return { digest, seconds };
}

/** Sends a datagram of each size and waits for its echo; returns how many had to be sent again. */
export async function visitEcho(
  address: string,
  sizes: readonly number[],
  signal: AbortSignal,
): Promise<number> {
  const { hostname, port } = new URL(`udp://${address}`);
  const socket = createSocket('udp4');
  try {
    socket.connect(Number(port), hostname);
    await once(socket, 'connect', { signal });
    let resent = 0;
    for (const size of sizes) resent += await echo(socket, datagram(size), signal);
    return resent;
  } finally {
    socket.close();
  }
}

/** Every size has its own bytes: an echo that came late cannot be taken for another's. */
function datagram(size: number): Buffer {
  return Buffer.alloc(size, createHash('sha256').update(String(size)).digest());
}

function echo(socket: Socket, payload: Buffer, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    const send = (): void => {
      sent += 1;
      socket.send(payload);
    };
    const finish = (end: () => void): void => {
      clearInterval(timer);
      socket.off('message', onMessage).off('error', onError);
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const onMessage = (message: Buffer): void => {
      if (message.equals(payload)) finish(() => resolve(sent - 1));
    };
    const onError = (error: Error): void => finish(() => reject(error));
    const onAbort = (): void => {
      finish(() => reject(new Error(`no echo of ${payload.length} bytes came back`)));
    };
    const timer = setInterval(send, RESEND_MS);
    socket.on('message', onMessage).on('error', onError);
    signal.addEventListener('abort', onAbort);
    send();
  });
}
