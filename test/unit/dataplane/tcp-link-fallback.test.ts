import { once } from 'node:events';
import net from 'node:net';
import { expect, it, vi } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import { Relay, type RunningRelay } from '../../../ts/dataplane/relay.ts';
import { TcpLink } from '../../../ts/dataplane/tcp-link.ts';

// As on a Node that keeps the handle elsewhere.
vi.mock(import('../../../ts/dataplane/onread-socket.ts'), async (original) => ({
  ...(await original()),
  handleOf: () => undefined,
}));

it('relays whole and ends cleanly on data events where no handle can be moved', async () => {
  const links = new OpenLinks((error) => {
    throw error;
  });
  const echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const local = echo.address() as net.AddressInfo;
  const front = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const ended = new Promise<RunningRelay>((done) => {
    front.on('connection', (socket) => {
      const far = TcpLink.dial(links, { host: '127.0.0.1', port: local.port }, {});
      new Relay(TcpLink.accepted(links, socket), far, {
        counters: new ServiceCounters(),
        limits: { halfCloseIdleMs: 60_000, closeHoldMs: 5_000 },
        nearBroken: 'visitor_reset',
        farBroken: 'local_reset',
        unwritten: [],
        alreadyIn: 0,
        done,
      });
    });
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const sent = Buffer.alloc(8 * 1_024 * 1_024, 'warren ');
  const visitor = net.connect({
    host: '127.0.0.1',
    port: (front.address() as net.AddressInfo).port,
    allowHalfOpen: true,
  });
  visitor.end(sent);
  const chunks: Buffer[] = [];
  for await (const chunk of visitor) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  const relay = await ended;
  expect([relay.bytesIn, relay.bytesOut, relay.reason]).toEqual([
    sent.length,
    sent.length,
    'visitor_fin',
  ]);
  front.close();
  echo.close();
});
