import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clientRoutine, serverRoutine } from '../../../ts/control/routines.ts';
import { RunningClientSession } from '../../../ts/dataplane/client-session.ts';
import { DataplaneContext } from '../../../ts/dataplane/context.ts';
import { TypescriptControlStream } from '../../../ts/dataplane/control-stream.ts';
import { EventBatch } from '../../../ts/dataplane/event-batch.ts';
import { RunningServerSession } from '../../../ts/dataplane/server-session.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { COMMAND_CREATE, COMMAND_HEARTBEAT } from '../../../ts/protocol/wire.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

const KEY = new Uint8Array(32).fill(1);

function streamOn(link: FakeLink): TypescriptControlStream {
  return new TypescriptControlStream(link, {
    lingerMs: 1_000,
    unread: new Uint8Array(0),
    settled: () => undefined,
    ended: () => undefined,
  });
}

function serverSession(heartbeatIntervalMs = 0) {
  const link = new FakeLink();
  const surplus: string[] = [];
  const ended: string[] = [];
  const context = new DataplaneContext(DEFAULT_LIMITS, false, new EventBatch(undefined));
  const control = streamOn(link);
  const session = new RunningServerSession(
    context,
    {
      key: KEY,
      control,
      routine: serverRoutine({ type: 'tcp', heartbeatIntervalMs }),
      handler: { surplus: () => surplus.push('surplus'), ended: (reason) => ended.push(reason) },
    },
    { channel: () => undefined, ended: () => void ended.push('owner') },
  );
  return { link, session, control, surplus, ended, context };
}

/** Immediates, microtasks, and timers up to `ms`. */
async function run(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

describe('server session', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('sends all creates of a turn in one write', async () => {
    const { link, session } = serverSession();
    session.request(3);
    session.request(5);
    expect(link.written).toHaveLength(0);
    await run();
    expect(link.written).toEqual([Buffer.alloc(8 * COMMAND_CREATE.length)]);
  });

  it('does not forget creates that were to be sent when bytes suspended it', async () => {
    const { link, session, surplus, control } = serverSession();
    expect(session.request(8)).toBe(true);
    link.peerSends('x');
    await run();
    expect(surplus).toEqual(['surplus']);
    expect(link.written).toHaveLength(0);
    await control.read(1);
    session.resume(serverRoutine({ type: 'tcp', heartbeatIntervalMs: 0 }));
    await run();
    expect(link.bytes).toHaveLength(8 * COMMAND_CREATE.length);
  });

  it('W14: queues no commands without bound for a peer that does not read', async () => {
    const { link, session } = serverSession();
    link.backlog = 65_536;
    expect(session.request(1)).toBe(false);
    link.backlog = 0;
    expect(session.request(1_000_000)).toBe(false);
    expect(session.request(1_000)).toBe(true);
  });

  it('W7: tells the end once, its owner first', async () => {
    const { link, session, ended, context } = serverSession(1_000);
    expect(context.sessions.size).toBe(1);
    link.peerEnds();
    link.peerResets();
    session.end('destroyed');
    await run();
    expect(ended).toEqual(['owner', 'control_eof']);
    expect(context.sessions.size).toBe(0);
    expect(session.request(1)).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends no heartbeat to a peer that does not read', async () => {
    const { link } = serverSession(1_000);
    link.backlog = 65_536;
    await run(5_000);
    expect(link.written).toHaveLength(0);
  });

  it('sends a heartbeat after exactly the silent interval, and creates put it off', async () => {
    const { link, session } = serverSession(1_000);
    await run(999);
    expect(link.written).toHaveLength(0);
    session.request(1);
    await run(999);
    expect(link.bytes).toHaveLength(COMMAND_CREATE.length);
    await run(2);
    expect(link.bytes.subarray(-4)).toEqual(Buffer.from(COMMAND_HEARTBEAT));
    await run(3_000);
    expect(link.written).toHaveLength(5);
  });
});

describe('client session', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function clientSession(silenceTimeoutMs: number) {
    const link = new FakeLink();
    const events: string[] = [];
    const control = streamOn(link);
    const dial = {
      remote: link.peer,
      preferIpv6: false,
      transport: {
        type: 'tcp' as const,
        tcp: { nodelay: true, keepaliveMs: 0, keepaliveIntervalMs: 0 },
      },
      proxy: undefined,
    };
    const session = new RunningClientSession(
      new DataplaneContext(DEFAULT_LIMITS, false, new EventBatch(undefined)),
      {
        control,
        dial,
        routine: clientRoutine({ type: 'tcp', sessionKey: KEY, silenceTimeoutMs }),
        handler: {
          surplus: () => events.push('surplus'),
          ended: (reason) => events.push(`ended ${reason}`),
        },
      },
      {
        create: (count) => events.push(`create ${count}`),
        ended: () => void events.push('owner'),
      },
    );
    return { link, control, session, events };
  }

  it('W10: ends after exactly the silence, and any whole command puts that off', async () => {
    const { link, events } = clientSession(1_000);
    await run(900);
    link.peerSends(COMMAND_HEARTBEAT);
    await run(900);
    link.peerSends(COMMAND_CREATE.subarray(0, 2));
    await run(99);
    expect(events).toEqual([]);
    await run(2);
    expect(events).toEqual(['owner', 'ended heartbeat_timeout']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not supervise with 0, nor while it is suspended', async () => {
    const quiet = clientSession(0);
    await run(10_000_000);
    expect(quiet.events).toEqual([]);
    const { link, session, events } = clientSession(1_000);
    link.peerSends(Uint8Array.of(9, 9, 9, 9));
    session.setRoutine(clientRoutine({ type: 'tcp', sessionKey: KEY, silenceTimeoutMs: 10 }));
    await run(10_000);
    expect(events).toEqual(['surplus']);
  });

  it('counts the creates of a chunk as one request, in front of what it does not know', async () => {
    const { link, events, control } = clientSession(0);
    const unknown = Buffer.from('09000000', 'hex');
    link.peerSends(Buffer.concat([COMMAND_CREATE, COMMAND_HEARTBEAT, COMMAND_CREATE, unknown]));
    await run();
    expect(events).toEqual(['create 2', 'surplus']);
    expect(Buffer.from(await control.read(4))).toEqual(unknown);
  });
});
