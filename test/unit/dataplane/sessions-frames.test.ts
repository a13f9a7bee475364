import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clientRoutine, serverRoutine } from '../../../ts/control/routines.ts';
import { RunningClientSession } from '../../../ts/dataplane/client-session.ts';
import { DataplaneContext } from '../../../ts/dataplane/context.ts';
import { TypescriptControlStream } from '../../../ts/dataplane/control-stream.ts';
import { EventBatch } from '../../../ts/dataplane/event-batch.ts';
import type { ReusedLink } from '../../../ts/dataplane/reused-link.ts';
import { RunningServerSession } from '../../../ts/dataplane/server-session.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import {
  encodeChannelsFrame,
  encodeDrainFrame,
  HEARTBEAT_FRAME,
} from '../../../ts/protocol/extension.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

const KEY = new Uint8Array(32).fill(1);
const AGREED = { addresses: true };
const DRAIN = encodeDrainFrame(1_000);
const BAD = Buffer.from('01010000ff', 'hex');
const UNKNOWN = Buffer.from('4d02000000ff', 'hex');
const gaveUpFrame = (visitor: number, reason: number): Buffer =>
  Buffer.from([4, 9, 0, 0, visitor, 0, 0, 0, 0, 0, 0, 0, reason]);

function common() {
  const link = new FakeLink();
  const told: string[] = [];
  const control = new TypescriptControlStream(link, {
    lingerMs: 1_000,
    unread: new Uint8Array(0),
    settled: () => undefined,
    ended: () => undefined,
  });
  const context = new DataplaneContext(DEFAULT_LIMITS, false, new EventBatch(undefined));
  const handler = {
    surplus: () => told.push('surplus'),
    ended: (reason: string) => told.push(`ended ${reason}`),
  };
  // Of a use, all that a session knows.
  const use = { peerGaveUp: (reason: number) => told.push(`gave up ${reason}`) };
  return { link, told, control, context, handler, use: use as unknown as ReusedLink };
}

function serverSession() {
  const all = common();
  const routine = serverRoutine({
    type: 'tcp',
    heartbeatIntervalMs: 1_000,
    agreement: AGREED,
    drainMs: 1_000,
  });
  const session = new RunningServerSession(
    all.context,
    { key: KEY, control: all.control, routine, handler: all.handler },
    { channel: () => undefined, ended: () => undefined },
  );
  return { ...all, session };
}

function clientSession() {
  const all = common();
  const routine = clientRoutine({
    type: 'tcp',
    sessionKey: KEY,
    silenceTimeoutMs: 1_000,
    extension: AGREED,
    drainMs: 1_000,
  });
  const tcp = { nodelay: true, keepaliveMs: 0, keepaliveIntervalMs: 0 };
  const transport = { type: 'tcp' as const, tcp };
  const dial = { remote: all.link.peer, preferIpv6: false, transport, proxy: undefined };
  const session = new RunningClientSession(
    all.context,
    { control: all.control, dial, routine, handler: all.handler },
    { create: (count) => all.told.push(`create ${count}`), ended: () => undefined },
  );
  return { ...all, session };
}

async function run(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

describe('a session with frames', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('a server asks for all channels of a turn in one frame, however many', async () => {
    const { link, session } = serverSession();
    expect([session.request(3), session.request(4_000)]).toEqual([true, true]);
    await run();
    expect(link.written).toEqual([Buffer.from(encodeChannelsFrame(4_003))]);
    link.backlog = 65_537;
    expect(session.request(1)).toBe(false);
  });

  it('a heartbeat is a frame, and other frames put it off', async () => {
    const { link, session } = serverSession();
    await run(900);
    expect(session.uses.giveUp(3n, 1)).toBe(true);
    expect(link.bytes).toEqual(gaveUpFrame(3, 1));
    await run(900);
    expect(link.written).toHaveLength(1);
    await run(100);
    expect(link.written[1]).toEqual(Buffer.from(HEARTBEAT_FRAME));
  });

  it('a client acts on those that it knows and skips the others, cut anywhere', async () => {
    const { link, told, session, use } = clientSession();
    session.uses.add(2n, use);
    const frames = [
      encodeChannelsFrame(2),
      UNKNOWN,
      HEARTBEAT_FRAME,
      gaveUpFrame(1, 5),
      gaveUpFrame(2, 5),
      encodeChannelsFrame(7),
    ];
    for (const byte of Buffer.concat(frames)) link.peerSends(Uint8Array.of(byte));
    await run();
    expect(told).toEqual(['create 2', 'gave up 5', 'create 7']);
    link.peerSends(Buffer.concat(frames));
    expect(told.slice(3)).toEqual(['gave up 5', 'create 9']);
  });

  it('a client counts any whole frame as life, and nothing less', async () => {
    const { link, told } = clientSession();
    await run(900);
    link.peerSends(UNKNOWN);
    await run(900);
    link.peerSends(UNKNOWN.subarray(0, 3));
    await run(101);
    expect(told).toEqual(['ended heartbeat_timeout']);
  });

  it.each([
    ['server', serverSession],
    ['client', clientSession],
  ])(
    '%s: a drain of the peer ends it without a word, a bad frame as control_data',
    async (_role, open) => {
      const drained = open();
      drained.link.peerSends(Buffer.concat([DRAIN, encodeChannelsFrame(3)]));
      const bad = open();
      bad.link.peerSends(Buffer.concat([BAD, DRAIN]));
      await run();
      expect([drained.told, drained.link.written]).toEqual([['ended drain'], []]);
      expect([bad.told, bad.link.written]).toEqual([['ended control_data'], []]);
      expect(drained.session.uses.giveUp(1n, 0)).toBe(false);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it.each([
    ['server', serverSession],
    ['client', clientSession],
  ])(
    '%s: says goodbye where the peer should know, and ends politely behind it',
    async (_role, open) => {
      for (const reason of ['drain', 'service_closed'] as const) {
        const { link, session, told } = open();
        session.end(reason);
        await run();
        expect(link.written).toEqual([Buffer.from(DRAIN)]);
        expect([told, link.calls]).toEqual([[`ended ${reason}`], ['nodelay true', 'end']]);
        link.peerEnds();
        link.closes();
        await expect(session.gone).resolves.toBeUndefined();
      }
      const { link, session } = open();
      session.end('replaced');
      expect([link.written, link.calls]).toEqual([[], ['nodelay true', 'destroy']]);
    },
  );

  it('a goodbye that nobody reads is cut short on demand', async () => {
    const { link, session } = serverSession();
    session.end('drain');
    session.cut();
    await run();
    await expect(session.gone).resolves.toBeUndefined();
    expect(link.calls).toContain('destroy');
  });
});
