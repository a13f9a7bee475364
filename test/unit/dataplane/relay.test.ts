import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { Relay } from '../../../ts/dataplane/relay.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

function open(options: { alreadyIn?: number; nearEnded?: boolean; idleMs?: number } = {}) {
  const [near, far] = [new FakeLink(), new FakeLink()];
  near.ended = options.nearEnded ?? false;
  const counters = new ServiceCounters();
  const ends: string[] = [];
  const relay = new Relay(near, far, {
    counters,
    limits: { halfCloseIdleMs: options.idleMs ?? 1_000, closeHoldMs: 5_000 },
    nearBroken: 'visitor_reset',
    farBroken: 'channel_reset',
    unwritten: [],
    alreadyIn: options.alreadyIn ?? 0,
    done: (ended) => ends.push(ended.reason),
  });
  return { near, far, counters, ends, relay };
}

describe('relay', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('stops reading one side while the other does not take, and only that direction', () => {
    const { near, far } = open();
    far.backlog = 10;
    expect(near.peerSends('x')).toBe(false);
    expect(far.peerSends('y')).toBe(true);
    near.reading = false;
    far.drains();
    expect(near.reading).toBe(true);
    expect(near.peerSends('x')).toBe(true);
  });

  it('counts what came before it as in', () => {
    const { near, far, counters, relay } = open({ alreadyIn: 7 });
    near.peerSends('abc');
    far.peerSends('defgh');
    expect([relay.bytesIn, relay.bytesOut]).toEqual([10, 5]);
    expect([counters.bytesIn, counters.bytesOut]).toEqual([10, 5]);
  });

  it('has a goodbye said that was held back when the other direction is silent', () => {
    const { near, far, ends } = open({ idleMs: 60_000 });
    near.peerEnds();
    vi.advanceTimersByTime(4_000);
    far.peerSends('still there');
    vi.advanceTimersByTime(4_999);
    expect(far.calls).toEqual(['end']);
    vi.advanceTimersByTime(1);
    expect(far.calls).toEqual(['end', 'end']);
    vi.advanceTimersByTime(54_999);
    expect(near.calls).toEqual([]);
    vi.advanceTimersByTime(1);
    near.closes();
    far.closes();
    expect(ends).toEqual(['half_close_timeout']);
  });

  it('passes a FIN on that came while it waited', () => {
    const { far } = open({ nearEnded: true });
    expect(far.calls).toContain('end');
  });

  it.each([
    ['visitor_fin', true],
    ['local_fin', false],
  ])('ends with %s when that side ended first', (reason, nearFirst) => {
    const { near, far, ends } = open();
    const [first, second] = nearFirst ? [near, far] : [far, near];
    first.peerEnds();
    expect(second.calls).toEqual(['end']);
    second.peerEnds();
    expect(first.calls).toEqual(['end']);
    first.closes();
    expect(ends).toEqual([]);
    second.closes();
    expect(ends).toEqual([reason]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['visitor_reset', true],
    ['channel_reset', false],
  ])('passes RST on as RST: %s', async (reason, nearBreaks) => {
    const { near, far, ends } = open();
    const [broken, other] = nearBreaks ? [near, far] : [far, near];
    broken.peerResets();
    expect(other.calls).toEqual(['abort']);
    await Promise.resolve();
    expect(ends).toEqual([reason]);
  });

  it('delivers all that a side had sent before FIN, though it breaks afterwards', () => {
    const { near, far, ends } = open();
    near.peerSends('whole');
    near.peerEnds();
    near.peerResets();
    expect(far.calls).toEqual(['end', 'endSoon']);
    far.closes();
    expect(ends).toEqual(['visitor_reset']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends a silent half-closed pair, and activity of either direction puts that off', async () => {
    const { near, far, ends } = open();
    near.peerEnds();
    vi.advanceTimersByTime(900);
    far.peerSends('x');
    vi.advanceTimersByTime(900);
    far.drains();
    near.drains();
    vi.advanceTimersByTime(900);
    expect(ends).toEqual([]);
    vi.advanceTimersByTime(200);
    await Promise.resolve();
    expect(ends).toEqual(['half_close_timeout']);
    expect(near.calls).toContain('abort');
    expect(far.calls).toContain('abort');
  });

  it('has no limit for a pair that is silent and open', () => {
    const { ends } = open();
    vi.advanceTimersByTime(10_000_000);
    expect(ends).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('destroy aborts both and keeps its reason', async () => {
    const { near, far, ends, relay } = open();
    relay.destroy('drain');
    relay.destroy('destroyed');
    expect([near.calls[0], far.calls[0]]).toEqual(['abort', 'abort']);
    await Promise.resolve();
    expect(ends).toEqual(['drain']);
  });

  it('discards what comes for a side that is gone', () => {
    const { near, far } = open();
    far.peerEnds();
    near.peerEnds();
    far.closed = true;
    expect(near.peerSends('late')).toBe(true);
    expect(far.bytes).toHaveLength(0);
  });
});
