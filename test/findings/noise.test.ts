/** wire-v1 section 6, Noise: W5, W21, W22. */
import { afterEach, describe, expect, test } from 'vitest';
import type { TransportOptions } from '../../ts/index.ts';
import { START_TCP } from '../../ts/protocol/wire.ts';
import { ScriptedClient } from '../conformance/scripted.ts';
import { CarriedSocket } from '../helpers/carried-socket.ts';
import { type Carry, Peer } from '../helpers/peer.ts';
import { PeerListener } from '../helpers/peer-listener.ts';
import { NoiseCodec, newPrivateKey, noiseHandshake, publicOf } from '../helpers/peer-noise.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { openClientOf, refusedForGood, TestServer, TOKEN } from '../helpers/rathole-roles.ts';

const NK = 'Noise_NK_25519_ChaChaPoly_BLAKE2s';
const XX = 'Noise_XX_25519_ChaChaPoly_BLAKE2s';
const [serverKey, clientKey, strangerKey] = [newPrivateKey(), newPrivateKey(), newPrivateKey()];
const resources = new Resources();
afterEach(() => resources.close());

function noise(pattern: string, own: Buffer, peer?: Buffer): TransportOptions {
  const noise = {
    pattern,
    localPrivateKey: own.toString('base64'),
    ...(peer === undefined ? {} : { remotePublicKey: publicOf(peer).toString('base64') }),
  };
  return { type: 'noise', noise };
}

function carry(
  role: 'client' | 'server',
  pattern: string,
  localPrivateKey: Buffer,
  remote = serverKey,
): Carry {
  const keys = { pattern, localPrivateKey, remotePublicKey: publicOf(remote) };
  return async (raw) => new CarriedSocket(raw, await noiseHandshake(raw, keys, role));
}

async function connect(server: TestServer, how: Carry): Promise<Peer> {
  const address = { host: '127.0.0.1', port: server.port };
  return resources.use(await Peer.connectCarried(address, how));
}

async function session(server: TestServer, how: Carry): Promise<ScriptedClient> {
  const options = { name: 'web', token: TOKEN };
  return await ScriptedClient.connect(() => connect(server, how), options);
}

describe('W5: an end after one byte of a length', () => {
  const how = carry('client', NK, clientKey);

  test.each([
    ['in place of a hello', async (server: TestServer) => connect(server, how)],
    ['on a control channel', async (server: TestServer) => (await session(server, how)).control],
    [
      'on an idle channel',
      async (server: TestServer) => {
        const channel = await (await session(server, how)).channel();
        await until('the pool', () => server.stats().poolReady === 1);
        return channel;
      },
    ],
  ])('%s ends the connection', async (_where, open) => {
    const server = await TestServer.open(resources, { transport: noise(NK, serverKey) });
    const peer = await open(server);
    peer.raw.write(Buffer.of(7));
    peer.raw.end();
    await peer.gone();
    await until('nothing to be left', () => server.server.stats().unauthenticated === 0);
    await session(server, how);
  });

  test('before the handshake is complete, too', async () => {
    const server = await TestServer.open(resources, { transport: noise(NK, serverKey) });
    const peer = resources.use(await Peer.connect({ host: '127.0.0.1', port: server.port }));
    await peer.write(Buffer.of(48));
    await peer.end();
    await peer.gone();
    expect(server.rejected('handshake_eof')).toBe(1);
  });
});

describe('W21: a pinned key is compared where the pattern transmits it', () => {
  test('a client refuses a server with another key, and asks for nothing any more', async () => {
    const listener = await PeerListener.open({ carry: carry('server', XX, strangerKey) });
    resources.defer(() => listener.close());
    const remote = `127.0.0.1:${listener.address.port}`;
    const { log } = await openClientOf(resources, remote, noise(XX, clientKey, serverKey));
    const told = await refusedForGood(log, 'key_mismatch');
    expect(told).toContain('key');
    // Not one byte of hello: the service's name stays ours.
    for (const { received } of listener.peers) expect(received).toBe(0);
  });

  test('a client takes the server with the right key', async () => {
    const server = await TestServer.open(resources, { transport: noise(XX, serverKey) });
    const remote = `127.0.0.1:${server.port}`;
    const { client } = await openClientOf(resources, remote, noise(XX, clientKey, serverKey));
    await until('it to be connected', () => client.isConnected('web'));
  });

  test('a server refuses a client with another key', async () => {
    const transport = noise(XX, serverKey, clientKey);
    const server = await TestServer.open(resources, { transport });
    const stranger = await connect(server, carry('client', XX, strangerKey));
    await stranger.over();
    await until('it to be counted', () => server.rejected('key_mismatch') === 1);
    await session(server, carry('client', XX, clientKey));
  });

  // Where the server is the first to notice, it can only close: there is no answer to give.
  test.each([
    [XX, 'key_mismatch'],
    ['Noise_IK_25519_ChaChaPoly_BLAKE2s', 'handshake_eof'],
    ['Noise_KK_25519_ChaChaPoly_BLAKE2s', 'handshake_eof'],
    [NK, 'handshake_eof'],
  ])('%s with a wrong server key never comes up: %s', async (pattern, reason) => {
    const known = pattern.includes('_KK_') ? clientKey : undefined;
    const server = await TestServer.open(resources, {
      transport: noise(pattern, serverKey, known),
    });
    const remote = `127.0.0.1:${server.port}`;
    const transport = noise(pattern, clientKey, strangerKey);
    const { log, client } = await openClientOf(resources, remote, transport);
    await log.waitFor('cannot connect to the server, will retry', { reason });
    await log.waitFor('waiting before the next attempt');
    expect(client.isConnected('web')).toBe(false);
    expect(server.log.all('client connected')).toEqual([]);
  });

  test('another pattern at the other end is told as noise_failed', async () => {
    const server = await TestServer.open(resources, { transport: noise(XX, serverKey) });
    const remote = `127.0.0.1:${server.port}`;
    await openClientOf(resources, remote, noise(NK, clientKey, serverKey));
    await until('it to be counted', () => server.rejected('noise_failed') > 0);
  });
});

describe('W22: an end inside a record is not the end of a visitor', () => {
  async function served() {
    const transport = noise(NK, serverKey);
    const server = await TestServer.open(resources, { transport, accessLog: true });
    const client = await session(server, carry('client', NK, clientKey));
    const channel = await client.channel();
    await until('the pool', () => server.stats().poolReady === 1);
    const port = await server.visitorPort();
    const visitor = resources.use(await Peer.connect({ host: '127.0.0.1', port }));
    await channel.read(START_TCP.length);
    return { server, channel, visitor };
  }

  test('truncated: what came is delivered, then the visitor is reset', async () => {
    const { server, channel, visitor } = await served();
    await channel.write('half an ans');
    channel.raw.write(Buffer.concat([Buffer.of(100, 0), Buffer.alloc(40)]));
    channel.raw.end();
    expect((await visitor.read(11)).toString()).toBe('half an ans');
    await visitor.over();
    expect(visitor.wasReset).toBe(true);
    await server.log.waitFor('visitor', { reason: 'truncated' });
  });

  test('FIN between records is the end', async () => {
    const { server, channel, visitor } = await served();
    await channel.write('an answer');
    await channel.end();
    expect((await visitor.rest()).toString()).toBe('an answer');
    await visitor.end();
    await server.log.waitFor('visitor', { reason: 'local_fin' });
  });

  test('a record without payload is nothing, not the end', async () => {
    const { channel, visitor } = await served();
    const codec = codecOf(channel);
    channel.raw.write(codec.encode(Buffer.from('before')));
    channel.raw.write(codec.seal(Buffer.alloc(0)));
    channel.raw.write(codec.encode(Buffer.from('behind')));
    expect((await visitor.read(12)).toString()).toBe('beforebehind');
  });

  test('a changed record resets the visitor: bad_record', async () => {
    const { server, channel, visitor } = await served();
    const codec = codecOf(channel);
    const sealed = Buffer.from(codec.encode(Buffer.from('forged')));
    sealed[5] = (sealed[5] ?? 0) ^ 1;
    channel.raw.write(sealed);
    await visitor.over();
    expect(visitor.wasReset).toBe(true);
    expect(visitor.received).toBe(0);
    await server.log.waitFor('visitor', { reason: 'bad_record' });
  });
});

function codecOf({ socket }: Peer): NoiseCodec {
  if (!(socket instanceof CarriedSocket) || !(socket.codec instanceof NoiseCodec)) {
    throw new Error('not Noise');
  }
  return socket.codec;
}
