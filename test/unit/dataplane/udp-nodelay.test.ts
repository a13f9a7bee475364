import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataplaneContext } from '../../../ts/dataplane/context.ts';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { EventBatch } from '../../../ts/dataplane/event-batch.ts';
import { UdpCarrier } from '../../../ts/dataplane/udp-carrier.ts';
import { UdpFront } from '../../../ts/dataplane/udp-front.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { START_UDP } from '../../../ts/protocol/wire.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

function context(): DataplaneContext {
  return new DataplaneContext(DEFAULT_LIMITS, false, new EventBatch(undefined));
}

function settings({ calls }: FakeLink): string[] {
  return calls.filter((call) => call.startsWith('nodelay'));
}

/** The transport has set it when the channel was accepted or dialled. */
describe.each([
  [undefined, []],
  [true, ['nodelay true']],
  [false, ['nodelay false']],
] as const)('a udp channel of a service with nodelay %s', (nodelay, expected) => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('on a server', () => {
    const front = new UdpFront(context(), {
      service: 'service',
      counters: new ServiceCounters(),
      request: () => true,
      expect: () => undefined,
      start: () => START_UDP,
      reuse: () => undefined,
      nodelay: () => nodelay,
    });
    const link = new FakeLink();
    front.sessionStarted();
    front.channel(link);
    expect(link.bytes).toEqual(Buffer.from(START_UDP));
    expect(settings(link)).toEqual(expected);
    front.destroy('destroyed');
    front.sessionEnded();
  });

  it('on a client', () => {
    const carrier = new UdpCarrier({
      context: context(),
      counters: new ServiceCounters(),
      spec: () => ({
        name: 'service',
        type: 'udp',
        local: { host: '127.0.0.1', port: 9 },
        nodelay,
        preferIpv6: false,
      }),
      empty: () => undefined,
    });
    const link = new FakeLink();
    carrier.carry(link, new Uint8Array(0));
    expect(carrier.size).toBe(1);
    expect(settings(link)).toEqual(expected);
    carrier.destroy('destroyed');
  });
});
