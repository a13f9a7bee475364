/**
 * wire-v1 section 6, when a client tries again: W15, W16, W17, W42. Pauses are recorded and cut short:
 * the schedule is judged, not the clock.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Backoff } from '../../ts/control/backoff.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { openClient, TOKEN } from '../helpers/rathole-roles.ts';
import {
  ACK_BAD_TOKEN,
  ACK_NO_SERVICE,
  CONTROL,
  CREATE,
  hello,
  u32,
  type Wire,
} from '../helpers/rathole-wire.ts';
import { overTypescript } from '../helpers/typescript-engine.ts';

/** Pauses that were asked for; each lasts `atMostMs` or until it is aborted. */
const pauses = vi.hoisted(() => ({ asked: [] as number[], aborted: 0, atMostMs: 5 }));
vi.mock('../../ts/sleep.ts', async (importOriginal) => {
  const { sleep } = await importOriginal<typeof import('../../ts/sleep.ts')>();
  return {
    sleep: async (ms: number, signal: AbortSignal): Promise<void> => {
      pauses.asked.push(ms);
      await sleep(Math.min(ms, pauses.atMostMs), signal);
      if (signal.aborted) pauses.aborted += 1;
    },
  };
});

const LONG = 600_000;
const resources = new Resources();
beforeEach(() => {
  Object.assign(pauses, { asked: [], aborted: 0, atMostMs: 5 });
});
afterEach(() => resources.close());

const middle = (): number => 0.5;

/** How often a service changes hands in a time when two clients take it from each other. */
function takeOvers(forMs: number, random: () => number): number {
  const clients = [new Backoff(1_000, random), new Backoff(1_000, random)];
  let now = 0;
  let count = 0;
  let holder = 0;
  let since = 0;
  for (;;) {
    const evicted = clients[1 - holder];
    // The one without the service has just lost it, after so long.
    const delay = evicted?.next({ kind: 'session', livedMs: since }) ?? 0;
    now += delay;
    if (now > forMs) return count;
    since = delay;
    holder = 1 - holder;
    count += 1;
  }
}

describe('W15: two clients with one service', () => {
  test('slow down instead of taking it from each other every second', () => {
    // rathole: 3,600 in an hour.
    expect(takeOvers(3_600_000, middle)).toBeLessThan(400);
    expect(takeOvers(3_600_000, Math.random)).toBeLessThan(500);
  });

  test('wait longer with every short session, up to a minute', () => {
    const backoff = new Backoff(1_000, middle);
    const delays = Array.from({ length: 9 }, () => backoff.next({ kind: 'session', livedMs: 900 }));
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  test('are forgiven after a session that lasted', () => {
    const backoff = new Backoff(1_000, middle);
    for (let i = 0; i < 6; i++) backoff.next({ kind: 'session', livedMs: 900 });
    expect(backoff.next({ kind: 'session', livedMs: 60_000 })).toBe(500);
  });

  test('the evicted one waits by that schedule', async () => {
    const { peer } = await openClient(resources, { local: 9 });
    for (let i = 0; i < 5; i++) {
      const { control } = await peer.session(TOKEN);
      control.destroy();
      await until('a pause', () => pauses.asked.length > i);
    }
    const [first = 0, , third = 0, , fifth = 0] = pauses.asked;
    expect(first).toBeLessThan(700);
    expect(third).toBeGreaterThan(1_500);
    expect(fifth).toBeGreaterThan(6_000);
  });
});

describe('W16: a client that is refused', () => {
  test('asks once more after a second, then waits from 5 s to a minute, whatever retry_interval is', () => {
    for (const cap of [0, 1_000, 60_000]) {
      const backoff = new Backoff(cap, middle);
      const delays = Array.from({ length: 6 }, () => backoff.next({ kind: 'refused' }));
      expect(delays).toEqual([1_000, 5_000, 10_000, 20_000, 40_000, 60_000]);
    }
  });

  test('waits 20 % more or less, so that clients do not come in step', () => {
    expect(new Backoff(1_000, () => 0).next({ kind: 'refused' })).toBe(800);
    expect(new Backoff(1_000, () => 1).next({ kind: 'refused' })).toBeCloseTo(1_200);
  });

  test.each([
    ['an unknown service', ACK_NO_SERVICE],
    ['a wrong token', ACK_BAD_TOKEN],
  ])('by the ack for %s waits by that schedule', async (_what, ack) => {
    const { peer, log } = await openClient(resources, { local: 9 });
    for (let i = 1; i <= 3; i++) {
      const control = await peer.accept();
      await control.readHello();
      control.write(hello(CONTROL, Buffer.alloc(32)));
      await control.read(32);
      control.socket.end(u32(ack));
      await log.waitFor(
        'cannot connect to the server, will retry',
        { reason: 'WARREN_E_REFUSED' },
        i,
      );
    }
    await until('the pauses', () => pauses.asked.length >= 3);
    const [first = 0, second = 0, third = 0] = pauses.asked;
    expect(first).toBeGreaterThanOrEqual(800);
    expect(second).toBeGreaterThanOrEqual(4_000);
    expect(third).toBeGreaterThanOrEqual(8_000);
  });

  test('retry_interval = 0 does not spin', () => {
    const backoff = new Backoff(0, () => 0);
    for (let i = 0; i < 10; i++)
      expect(backoff.next({ kind: 'failed' })).toBeGreaterThanOrEqual(80);
  });
});

describe('W17: a client that is closed or changed', () => {
  /** Another connection to the same listener has come through: what was on its way has, too. */
  async function settle(all: readonly Wire[], port: number): Promise<number> {
    const net = await import('node:net');
    const before = all.length;
    const probe = resources.use(net.connect(port, '127.0.0.1'));
    await until('the probe', () => all.length > before);
    probe.destroy();
    return all.length - 1;
  }

  test.each(['close', 'destroy', 'removal'] as const)('during its pause: %s', async (how) => {
    pauses.atMostMs = LONG;
    const { client, peer } = await openClient(resources, { local: 9 });
    (await peer.accept()).destroy();
    await until('the pause', () => pauses.asked.length === 1);
    if (how === 'close') await client.close({ deadlineMs: 100 });
    else if (how === 'destroy') client.destroy();
    else await client.reload({ remoteAddr: `127.0.0.1:${peer.port}`, services: {} });
    await until('the end of the pause', () => pauses.aborted === 1);
    expect(await settle(peer.all, peer.port)).toBe(1);
    expect(pauses.asked).toHaveLength(1);
  });

  test.each(['close', 'destroy', 'removal'] as const)('during its handshake: %s', async (how) => {
    const { client, peer } = await openClient(resources, { local: 9 });
    const control = await peer.accept();
    await control.readHello();
    if (how === 'close') await client.close({ deadlineMs: 100 });
    else if (how === 'destroy') client.destroy();
    else await client.reload({ remoteAddr: `127.0.0.1:${peer.port}`, services: {} });
    // What the server says now is too late: no auth comes.
    if (control.isOpen) control.write(hello(CONTROL, Buffer.alloc(32)));
    await control.end('the end of the handshake');
    expect(control.unread).toHaveLength(0);
    expect(await settle(peer.all, peer.port)).toBe(1);
    expect(pauses.asked).toHaveLength(0);
  });

  test('during its pause, with another token: comes at once with the new one', async () => {
    pauses.atMostMs = LONG;
    const { client, peer } = await openClient(resources, { local: 9 });
    (await peer.accept()).destroy();
    await until('the pause', () => pauses.asked.length === 1);
    await client.reload({
      remoteAddr: `127.0.0.1:${peer.port}`,
      heartbeatTimeoutSecs: 0,
      services: { web: { localAddr: '127.0.0.1:9', token: 'new' } },
    });
    await peer.session('new');
    expect(peer.all).toHaveLength(2);
  });
});

describe('W42: a data channel that cannot be dialled', () => {
  // The Rust engine's own pauses are those of native/core/src/channel_dialer.rs.
  overTypescript();

  test('is dialled again soon, then less and less often, and comes when it can', async () => {
    const { peer, client } = await openClient(resources, { local: 9 });
    const { control, key } = await peer.session(TOKEN);
    await until('the session', () => client.isConnected('web'));
    await peer.pause();
    control.write(u32(CREATE));
    await until('eight pauses', () => pauses.asked.length >= 8);
    const [first = 0] = pauses.asked;
    expect(first).toBeLessThan(250);
    expect(first).toBeGreaterThanOrEqual(25);
    const [seventh = 0, eighth = 0] = pauses.asked.slice(6);
    for (const late of [seventh, eighth]) expect(late).toBeGreaterThanOrEqual(500);
    expect(Math.max(...pauses.asked)).toBeLessThanOrEqual(1_500);
    await peer.unpause();
    const channel = await peer.accept('the channel');
    expect((await channel.readHello()).digest).toEqual(key);
  });
});
