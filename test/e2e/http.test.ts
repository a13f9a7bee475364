/** A real HTTP server through the tunnel: keep-alive, pipelining, chunked bodies, a load tool. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { blobBlocks, blobDigest } from '../../ts/demo/blob.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { readAll, visit } from '../helpers/program-visitor.ts';
import { findProgram } from '../helpers/programs.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const BODY = 10_000_000;
const shared = new Resources();
const resources = new Resources();
let port = 0;
/** Connections that the local server has seen. */
let connections = 0;

beforeAll(async () => {
  const server = http.createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  shared.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  // The cast is right for a server on a port.
  const { port: local } = server.address() as AddressInfo;
  const tunnel = await Tunnel.open(shared, {
    server: 'warren',
    client: 'warren',
    services: { web: { local } },
  });
  port = tunnel.port('web');
});
afterEach(() => resources.close());
afterAll(() => shared.close());

async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  if (request.method === 'POST') {
    const hash = createHash('sha256');
    for await (const chunk of request) hash.update(chunk as Buffer);
    const encoding = request.headers['transfer-encoding'] ?? 'none';
    response.end(`${encoding} ${hash.digest('hex')}`);
  } else if (request.url === '/blob') {
    // No content-length: node sends it in chunks.
    await pipeline(Readable.from(blobBlocks(BODY)), response);
  } else {
    response.end(`you asked for ${request.url}`);
  }
}

async function ask(path: string, agent: http.Agent): Promise<string> {
  const request = http.get({ host: '127.0.0.1', port, path, agent });
  // The tuple is node's: a request's only argument of `response`.
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return body;
}

test('requests after each other share one connection from end to end', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  resources.use(agent);
  const before = connections;
  for (let i = 0; i < 50; i++) expect(await ask(`/${i}`, agent)).toBe(`you asked for /${i}`);
  expect(connections - before).toBe(1);
});

test('a hundred agents at once get their own answers', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_none, index) => {
      const agent = new http.Agent({ keepAlive: true });
      resources.use(agent);
      const first = await ask(`/first-${index}`, agent);
      const second = await ask(`/second-${index}`, agent);
      return [first, second];
    }),
  );
  expect(answers).toEqual(
    answers.map((_pair, index) => [
      `you asked for /first-${index}`,
      `you asked for /second-${index}`,
    ]),
  );
});

test('pipelined requests are answered in order on their one connection', async () => {
  const socket = await visit(port);
  resources.use(socket);
  const count = 20;
  const requests = Array.from({ length: count }, (_none, index) => {
    const last = index === count - 1 ? 'Connection: close\r\n' : '';
    return `GET /${index} HTTP/1.1\r\nHost: tunnel\r\n${last}\r\n`;
  });
  const all = readAll(socket);
  socket.write(requests.join(''));
  const answers = [...(await all).toString().matchAll(/you asked for \/(\d+)/g)];
  expect(answers.map(([, number]) => Number(number))).toEqual(
    requests.map((_text, index) => index),
  );
});

test('10 MB are uploaded in chunks', async () => {
  const agent = new http.Agent({ keepAlive: true });
  resources.use(agent);
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent });
  const response = once(request, 'response');
  await pipeline(Readable.from(blobBlocks(BODY)), request);
  const [message] = (await response) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of message) body += String(chunk);
  expect(body).toBe(`chunked ${blobDigest(BODY)}`);
});

test('10 MB are downloaded in chunks, twice on one connection', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  resources.use(agent);
  const before = connections;
  for (let i = 0; i < 2; i++) {
    const request = http.get({ host: '127.0.0.1', port, path: '/blob', agent });
    const [message] = (await once(request, 'response')) as [http.IncomingMessage];
    expect(message.headers['transfer-encoding']).toBe('chunked');
    const hash = createHash('sha256');
    for await (const chunk of message) hash.update(chunk as Buffer);
    expect(hash.digest('hex')).toBe(blobDigest(BODY));
  }
  expect(connections - before).toBe(1);
});

test('a visitor that goes in the middle of a download leaves nothing behind', async () => {
  const request = http.get({ host: '127.0.0.1', port, path: '/blob' });
  const [message] = (await once(request, 'response')) as [http.IncomingMessage];
  await once(message, 'data');
  request.destroy();
  const agent = new http.Agent();
  resources.use(agent);
  await until('the next answer', async () => (await ask('/next', agent)) !== '');
});

test.skipIf(findProgram('wrk') === undefined)('wrk sees no socket error', async () => {
  const url = `http://127.0.0.1:${port}/load`;
  const { stdout } = await promisify(execFile)('wrk', ['-t1', '-c50', '-d1s', url]);
  expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
  expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(50);
});
