import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ChannelDialer } from '../../../ts/dataplane/channel-dialer.ts';
import { type DialOptions, dialTcp } from '../../../ts/dataplane/dial.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import type { TcpLink } from '../../../ts/dataplane/tcp-link.ts';
import { WarrenError } from '../../../ts/errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../ts/limits.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

vi.mock('../../../ts/dataplane/dial.ts', () => ({ dialTcp: vi.fn() }));

const SERVER = { host: '192.0.2.1', port: 2_333 };

function open(limits: Partial<Limits>) {
  const failed: string[] = [];
  const opened: unknown[] = [];
  const dialer = new ChannelDialer({
    limits: { ...DEFAULT_LIMITS, ...limits },
    links: new OpenLinks(() => undefined),
    dial: {
      remote: SERVER,
      preferIpv6: false,
      transport: {
        type: 'tcp',
        tcp: { nodelay: true, keepaliveMs: 0, keepaliveIntervalMs: 0 },
      },
      proxy: undefined,
    },
    first: SERVER,
    nodelay: () => true,
    opened: (link) => opened.push(link),
    failed: (reason) => failed.push(reason),
  });
  return { dialer, failed, opened };
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
});
