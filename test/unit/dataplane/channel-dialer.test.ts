import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ChannelDialer } from '../../../ts/dataplane/channel-dialer.ts';
import { type DialOptions, dialTcp } from '../../../ts/dataplane/dial.ts';
import type { Link } from '../../../ts/dataplane/link.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import type { TcpLink } from '../../../ts/dataplane/tcp-link.ts';
import type { DialSpec } from '../../../ts/engine/spec.ts';
import { WarrenError } from '../../../ts/errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../ts/limits.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

vi.mock('../../../ts/dataplane/dial.ts', () => ({ dialTcp: vi.fn() }));

const SERVER = { host: '192.0.2.1', port: 2_333 };
const DIAL: DialSpec = {
  remote: SERVER,
  preferIpv6: false,
  transport: {
    type: 'tcp',
    tcp: { nodelay: true, keepaliveMs: 0, keepaliveIntervalMs: 0 },
  },
  proxy: undefined,
};

function open(limits: Partial<Limits>) {
  const failed: string[] = [];
  const errors: string[] = [];
  const opened: Link[] = [];
  const dialer = new ChannelDialer({
    limits: { ...DEFAULT_LIMITS, ...limits },
    links: new OpenLinks(() => undefined),
    dial: DIAL,
    first: SERVER,
    nodelay: () => true,
    opened: (link) => opened.push(link),
    failed: (reason, error) => {
      failed.push(reason);
      errors.push(error);
    },
  });
  return { dialer, failed, errors, opened };
}

describe('channel dialer', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => {
    vi.mocked(dialTcp).mockReset();
    vi.useRealTimers();
  });

  /** Nobody answers: each dial fails a little after its time is up. */
  function nobodyAnswers(): void {
    vi.mocked(dialTcp).mockImplementation(
      (_to, options: DialOptions) =>
        new Promise((_resolve, reject) => {
          const error = new WarrenError('WARREN_E_CONNECT', 'no answer');
          setTimeout(() => reject(error), options.timeoutMs + 10);
        }),
    );
  }

  it('gives creates up that waited behind others for dialRetryMs', async () => {
    nobodyAnswers();
    const { dialer, failed } = open({ dialsAtOnce: 2, dialRetryMs: 1_000 });
    dialer.create(10);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(failed).toHaveLength(10);
    expect(dialTcp).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(failed).toHaveLength(10);
    expect(dialTcp).toHaveBeenCalledTimes(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('dials with the time that is left since the request', async () => {
    nobodyAnswers();
    const { dialer } = open({ dialsAtOnce: 1, dialRetryMs: 1_000 });
    dialer.create(1);
    await vi.advanceTimersByTimeAsync(500);
    dialer.create(1);
    await vi.advanceTimersByTimeAsync(60_000);
    const [first, second] = vi.mocked(dialTcp).mock.calls.map(([, { timeoutMs }]) => timeoutMs);
    expect(first).toBe(1_000);
    // It had to wait for the first one's end: of its own second a half is left.
    expect(second).toBeLessThanOrEqual(500);
  });

  it('dials what waits as soon as there is room', async () => {
    vi.mocked(dialTcp).mockImplementation(
      () =>
        new Promise((resolve) =>
          setTimeout(() => resolve(new FakeLink() as unknown as TcpLink), 10),
        ),
    );
    const { dialer, failed, opened } = open({ dialsAtOnce: 3, dialRetryMs: 1_000 });
    dialer.create(10);
    await vi.advanceTimersByTimeAsync(9);
    expect(dialTcp).toHaveBeenCalledTimes(3);
    await vi.advanceTimersByTimeAsync(100);
    expect(opened).toHaveLength(10);
    expect(failed).toEqual([]);
  });

  /** Every handshake ends like this. */
  function isRefused(reason: string): void {
    vi.mocked(dialTcp).mockImplementation(() =>
      Promise.reject(new WarrenError('WARREN_E_TRANSPORT', `because of ${reason}`, { reason })),
    );
  }

  it.each(['certificate_refused', 'key_mismatch'])(
    'does not try again after %s',
    async (reason) => {
      isRefused(reason);
      const { dialer, failed, errors } = open({ dialRetryMs: 10_000 });
      dialer.create(1);
      await vi.advanceTimersByTimeAsync(60_000);
      expect([failed, errors]).toEqual([[reason], [`because of ${reason}`]]);
      expect(dialTcp).toHaveBeenCalledTimes(1);
    },
  );

  it.each(['tls_failed', 'proxy_refused', 'upgrade_refused', 'handshake_eof'])(
    'tries again after %s, with pauses, and says it in the end',
    async (reason) => {
      isRefused(reason);
      const { dialer, failed } = open({ dialRetryMs: 10_000 });
      dialer.create(1);
      // The longest pause is 1.5 s.
      await vi.advanceTimersByTimeAsync(8_000);
      expect(failed).toEqual([]);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(failed).toEqual([reason]);
      expect(vi.mocked(dialTcp).mock.calls.length).toBeLessThan(40);
    },
  );

  it('dials as it was told last, and forgets a known address of another way', async () => {
    vi.mocked(dialTcp).mockImplementation(() =>
      Promise.resolve(new FakeLink() as unknown as TcpLink),
    );
    const { dialer } = open({});
    const told = async (dial: DialSpec) => {
      dialer.update(dial);
      dialer.create(1);
      await vi.advanceTimersByTimeAsync(1);
      const [to, options] = vi.mocked(dialTcp).mock.lastCall ?? [];
      return { to, first: options?.first, keepaliveMs: options?.keepaliveMs };
    };
    const tcp = { nodelay: true, keepaliveMs: 7, keepaliveIntervalMs: 0 };
    const renewed: DialSpec = { ...DIAL, transport: { type: 'tcp', tcp } };
    expect(await told(renewed)).toEqual({ to: SERVER, first: SERVER, keepaliveMs: 7 });
    const proxy = { type: 'http', address: { host: '192.0.2.9', port: 1 } } as const;
    const through: DialSpec = { ...renewed, proxy: { ...proxy, credentials: undefined } };
    // Nobody answers behind it: the handshake with the proxy begins.
    expect(await told(through)).toEqual({ to: proxy.address, first: undefined, keepaliveMs: 7 });
    dialer.close();
  });
});
