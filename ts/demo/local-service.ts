/**
 * A program of its own: the service behind the NAT that the demo exposes. It knows nothing of
 * warren.
 *
 * HTTP: `/` is a page, `/blob?bytes=N` the first N bytes of the demo's sequence. UDP: an echo. Its
 * first output line is JSON with both ports. It ends with its standard input, hence with the demo.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { blobBlocks } from './blob.ts';
import { PAGE } from './page.ts';

const HOST = '127.0.0.1';

async function serveBlob(url: URL, response: ServerResponse): Promise<void> {
  const bytes = Number(url.searchParams.get('bytes'));
  response.writeHead(200, { 'content-length': bytes, 'content-type': 'application/octet-stream' });
  await pipeline(Readable.from(blobBlocks(bytes)), response);
}

const http = createServer((request, response) => {
  const url = new URL(request.url ?? '/', `http://${HOST}`);
  if (url.pathname === '/blob') {
    // The asker left: its own affair.
    serveBlob(url, response).catch(() => undefined);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(PAGE);
});
http.listen(0, HOST);

const udp = createSocket('udp4', (datagram, from) => {
  udp.send(datagram, from.port, from.address);
});
udp.bind(0, HOST);

await Promise.all([once(http, 'listening'), once(udp, 'listening')]);
const tcpAddress = http.address();
const tcpPort = typeof tcpAddress === 'object' ? tcpAddress?.port : undefined;
process.stdout.write(`${JSON.stringify({ tcpPort, udpPort: udp.address().port })}\n`);

// Ctrl-C on the demo's terminal reaches this process too; the demo still decides when it ends.
process.on('SIGINT', () => undefined);
process.stdin.resume().once('end', () => process.exit(0));
