/** wire-v1 section 6, the client: W10, W14, W18, W41. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { openClient, TOKEN } from '../helpers/rathole-roles.ts';
import { CONTROL, CREATE, hello, sha256, TCP, UDP, u32 } from '../helpers/rathole-wire.ts';
import { StuckListener } from '../helpers/stuck-listener.ts';
import { overTypescript } from '../helpers/typescript-engine.ts';

/** Addresses of the names that these tests invent. */
const names = vi.hoisted(() => new Map<string, string[]>());
vi.mock('node:dns/promises', async (importOriginal) => {
  const dns = await importOriginal<typeof import('node:dns/promises')>();
  return {
    ...dns,
    lookup: (host: string, options: object) => {
      const found = names.get(host);
      if (found === undefined) return dns.lookup(host, options);
      return Promise.resolve(found.map((address) => ({ address, family: 4 })));
    },
  };
});

/** Nobody listens there: connects are refused. */
const DEAD = '127.0.0.99';
const resources = new Resources();
afterEach(() => resources.close());

describe('W10: the client gives up', () => {
  const limits = { handshakeTimeoutMs: 50 };

  test('a server that says nothing', async () => {
    const { peer, log } = await openClient(resources, { local: 9, limits });
    const mute = await peer.accept();
    await mute.end('the client to give up');
    await log.waitFor('cannot connect to the server, will retry');
    await peer.accept('another attempt');
  });

  test('a server that never acks', async () => {
    const { peer, log } = await openClient(resources, { local: 9, limits });
    // On a busy machine the client may give up before its hello has been read: it comes again.
    const mute = await until('an attempt that comes to its auth', async () => {
      const control = await peer.accept();
      await control.readHello();
      control.write(hello(CONTROL, Buffer.alloc(32, 1)));
      await control.read(32, 'auth');
      return control;
    });
    await mute.end('the client to give up');
    await log.waitFor('cannot connect to the server, will retry');
    await peer.accept('another attempt');
  });

  test('a server whose address does not answer', async () => {
    const stuck = await StuckListener.open();
    resources.defer(() => stuck.close());
    const { client, log } = await openClient(resources, {
      local: 9,
      limits: { dialTimeoutMs: 100 },
      peerPort: stuck.address.port,
      peerHost: '127.0.0.2',
    });
    await log.waitFor('cannot connect to the server, will retry', {}, 2);
    expect(client.isConnected('web')).toBe(false);
  });

  test('a local service that does not answer: its visitor ends, the next is served', async () => {
    const stuck = await StuckListener.open();
    resources.defer(() => stuck.close());
    const { peer, stats, log } = await openClient(resources, {
      local: stuck.address.port,
      limits: { localConnectTimeoutMs: 100 },
    });
    const { control } = await peer.session(TOKEN);
    const channel = await peer.channel(control);
    channel.write(u32(TCP));
    await channel.end('the visitor to be let go');
    await until('the reason', () => stats().ends.local_timeout === 1);
    await log.waitFor('visitor not served', { reason: 'local_timeout' });
    expect(control.isOpen).toBe(true);
    await peer.channel(control);
  });

  test('a server that falls silent after the ack', async () => {
    const options = { local: 9, heartbeatTimeoutSecs: 1 };
    const { peer, log } = await openClient(resources, options);
    const { control } = await peer.session(TOKEN);
    await control.end('the client to give up');
    await log.waitFor('service disconnected', { reason: 'heartbeat_timeout' });
    await peer.session(TOKEN);
  });
});

describe('W14: a server that asks for too much', () => {
  const limits = { dialsAtOnce: 4, dialsWaiting: 8 };

  test('gets as many channels as the client dials, the rest is counted', async () => {
    const { peer, stats, log } = await openClient(resources, { local: 9, limits });
    const { control } = await peer.session(TOKEN);
    const asked = 1_000;
    control.write(Buffer.concat(Array.from({ length: asked }, () => u32(CREATE))));
    await until('an answer to all', () => {
      const { poolReady, ends } = stats();
      return poolReady + (ends.dial_limit ?? 0) === asked;
    });
    // However the commands were split on their way: most are refused, some are dialled.
    expect(stats().ends.dial_limit).toBeGreaterThan(asked / 2);
    expect(stats().poolReady).toBeGreaterThanOrEqual(8);
    await log.waitFor('data channel ended unused', { reason: 'dial_limit' });
    expect(control.isOpen).toBe(true);
  });
});

describe('W18: of a name with several addresses', () => {
  // The names are known to Node's resolver only; native/core/src/dial_tests.rs has the like.
  overTypescript();

  test('the server is found at any, and data channels go where the control channel is', async () => {
    names.set('several.test', [DEAD, '127.0.0.1']);
    const { peer } = await openClient(resources, { local: 9, remoteHost: 'several.test' });
    const { control } = await peer.session(TOKEN);
    await peer.channel(control);
    await peer.channel(control);
  });

  test('one that does not answer does not stand in the way of the next', async () => {
    const stuck = await StuckListener.open();
    resources.defer(() => stuck.close());
    // The same port on another loopback address, where somebody answers.
    names.set('half-dead.test', ['127.0.0.1', '127.0.0.2']);
    const { peer, client } = await openClient(resources, {
      local: 9,
      remoteHost: 'half-dead.test',
      peerPort: stuck.address.port,
      peerHost: '127.0.0.2',
    });
    const { control } = await peer.session(TOKEN);
    await until('the session', () => client.isConnected('web'));
    await peer.channel(control);
  });

  test('the local service is found at any', async () => {
    names.set('local.test', [DEAD, '127.0.0.1']);
    const local = await startLocalTcp(resources);
    const options = { local: local.port, localHost: 'local.test' };
    const { peer } = await openClient(resources, options);
    const { control } = await peer.session(TOKEN);
    const channel = await peer.channel(control);
    channel.write(Buffer.concat([u32(TCP), Buffer.from('E found')]));
    expect((await channel.read(6)).toString()).toBe(' found');
  });

  test('all are named when none answers', async () => {
    names.set('none.test', [DEAD, '127.0.0.98']);
    const { log } = await openClient(resources, { local: 9, remoteHost: 'none.test' });
    const { fields } = await log.waitFor('cannot connect to the server, will retry');
    expect(fields['error']).toContain(DEAD);
    expect(fields['error']).toContain('127.0.0.98');
  });
});

test.each([
  ['tcp', UDP],
  ['udp', TCP],
] as const)(
  'W41: a %s service that is started as the other type is told loudly',
  async (type, wrong) => {
    const { peer, log } = await openClient(resources, { type, local: 9 });
    const { control, service } = await peer.session(TOKEN);
    expect(service).toEqual(sha256('web'));
    const channel = await peer.channel(control);
    channel.write(u32(wrong));
    await channel.end('the channel to be dropped');
    const { level } = await log.waitFor('data channel ended unused', {
      service: 'web',
      reason: 'type_mismatch',
    });
    expect(level).toBe('warn');
    expect(control.isOpen).toBe(true);
  },
);

test('W41: a start command that nobody knows ends its channel only', async () => {
  const { peer, log } = await openClient(resources, { local: 9 });
  const { control } = await peer.session(TOKEN);
  const [bad, good] = [await peer.channel(control), await peer.channel(control)];
  bad.write(u32(7));
  await bad.end('the channel to be dropped');
  await log.waitFor('data channel ended unused', { service: 'web', reason: 'bad_start' });
  expect(good.isOpen && control.isOpen).toBe(true);
});
