/** Links behind transports on real sockets, relayed. */
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import type { Link } from '../../../ts/dataplane/link.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import { Relay } from '../../../ts/dataplane/relay.ts';
import { TcpLink } from '../../../ts/dataplane/tcp-link.ts';
import type { Handshake } from '../../../ts/dataplane/transport/codec.ts';
import { noiseHandshake } from '../../../ts/dataplane/transport/noise.ts';
import { shake } from '../../../ts/dataplane/transport/shake.ts';
import { websocketClient, websocketServer } from '../../../ts/dataplane/transport/websocket.ts';
import { Peer } from '../../helpers/peer.ts';
import { until } from '../../helpers/until.ts';

const noise = {
  pattern: 'Noise_XX_25519_ChaChaPoly_BLAKE2s',
  localPrivateKey: randomBytes(32),
  remotePublicKey: undefined,
};
const spec = { path: '/', headers: [] };
const TRANSPORTS: [string, () => Handshake, () => Handshake][] = [
  ['noise', () => noiseHandshake(noise, 'initiator'), () => noiseHandshake(noise, 'responder')],
  [
    'websocket',
    () => websocketClient(spec, { host: 'a', port: 1 }, false),
    () => websocketServer(spec),
  ],
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listener() {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  return { to: { host: '127.0.0.1', port: address.port }, accepted };
}

/** Visitor, relay, transport, relay, local service. */
async function tunnel(client: () => Handshake, server: () => Handshake) {
  const links = new OpenLinks((error) => expect.unreachable(String(error)));
  cleanups.push(() => links.destroyAll());
  const [visitors, channels, locals] = [await listener(), await listener(), await listener()];
  const visitor = await Peer.connect(visitors.to);
  const near = TcpLink.accepted(links, await visitors.accepted);
  const channel = TcpLink.dial(links, channels.to, {});
  const [far, ours] = await Promise.all([
    channels.accepted.then((socket) => shake(links, TcpLink.accepted(links, socket), server())),
    shake(links, channel, client()),
  ]);
  const out = TcpLink.dial(links, locals.to, {});
  const local = new Peer(await locals.accepted);
  local.socket.resume();
  cleanups.push(() => {
    visitor.destroy();
    local.destroy();
  });
  const reasons: string[] = [];
  const relay = (from: Link, to: Link): Relay =>
    new Relay(from, to, {
      counters: new ServiceCounters(),
      limits: { halfCloseIdleMs: 60_000, closeHoldMs: 5_000 },
      nearBroken: 'visitor_reset',
      farBroken: 'channel_reset',
      unwritten: [],
      alreadyIn: 0,
      done: ({ reason }) => reasons.push(reason),
    });
  relay(near, far);
  relay(ours, out);
  return { visitor, local, reasons };
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each(TRANSPORTS)('%s', (_name, client, server) => {
  it('carries bulk both ways at once, byte for byte, then each end by itself', async () => {
    const { visitor, local, reasons } = await tunnel(client, server);
    const inward = randomBytes(5_000_003);
    const outward = randomBytes(3_000_017);
    const [atLocal, atVisitor] = await Promise.all([
      local.read(inward.length),
      visitor.read(outward.length),
      visitor.write(inward),
      local.write(outward),
    ]);
    expect([digest(atLocal), digest(atVisitor)]).toEqual([digest(inward), digest(outward)]);

    await visitor.end();
    await until(() => local.ended, 'the end at the local service');
    await local.write('after the end');
    expect((await visitor.read(13)).toString()).toBe('after the end');
    await local.end();
    await until(() => reasons.length === 2, 'the ends of both relays');
    expect(reasons).toEqual(['visitor_fin', 'visitor_fin']);
  });

  it('passes RST on', async () => {
    const { visitor, local, reasons } = await tunnel(client, server);
    await visitor.write('x');
    await local.read(1);
    await visitor.reset();
    await local.gone();
    await until(() => reasons.length === 2, 'the ends of both relays');
    expect(reasons).toEqual(['visitor_reset', 'visitor_reset']);
    expect(local.error?.code).toBe('ECONNRESET');
  });
});
