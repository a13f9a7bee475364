import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventBatch } from '../../../ts/dataplane/event-batch.ts';
import { type EngineEvent, EVENT_BATCH_MAX } from '../../../ts/engine/events.ts';

const peer = (port: number) => ({ host: '192.0.2.1', port });
const rejected = (port: number): EngineEvent => ({
  type: 'tunnel_rejected',
  reason: 'bad_hello',
  peer: peer(port),
  error: undefined,
  count: 1,
});
const end = (bytesIn: number): EngineEvent => ({
  type: 'visitor_end',
  service: 's',
  protocol: 'tcp',
  visitor: undefined,
  bytesIn,
  bytesOut: 0,
  durationMs: 0,
  reason: 'visitor_fin',
});

describe('event batch', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function open(): { batch: EventBatch; batches: EngineEvent[][] } {
    const batches: EngineEvent[][] = [];
    return { batch: new EventBatch((events) => batches.push([...events])), batches };
  }

  it('never calls inside push, and within 100 ms', () => {
    const { batch, batches } = open();
    batch.push(end(1));
    expect(batches).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(batches).toEqual([[end(1)]]);
  });

  it('delivers in order and nothing twice', () => {
    const { batch, batches } = open();
    for (let index = 0; index < 5; index++) batch.push(end(index));
    batch.flush();
    batch.push(end(5));
    batch.flush();
    batch.flush();
    vi.advanceTimersByTime(1_000);
    expect(batches.flat()).toEqual([0, 1, 2, 3, 4, 5].map(end));
    expect(batches).toHaveLength(2);
  });

  it('merges equal facts of a batch into one with a count', () => {
    const { batch, batches } = open();
    for (let port = 1; port <= 1_000; port++) batch.push(rejected(port));
    batch.flush();
    expect(batches[0]).toHaveLength(1);
    expect(batches[0]?.[0]).toMatchObject({ type: 'tunnel_rejected', count: 1_000 });
  });

  it('does not merge across batches', () => {
    const { batch, batches } = open();
    batch.push(rejected(1));
    batch.flush();
    batch.push(rejected(1));
    batch.flush();
    expect(batches.map((events) => events[0])).toMatchObject([{ count: 1 }, { count: 1 }]);
  });

  it('merges by service, reason and error', () => {
    const { batch, batches } = open();
    const refused = (service: string, error: string): EngineEvent => ({
      type: 'visitor_refused',
      service,
      reason: 'local_refused',
      error,
      count: 1,
    });
    for (const event of [
      refused('a', 'x'),
      refused('b', 'x'),
      refused('a', 'y'),
      refused('a', 'x'),
    ]) {
      batch.push(event);
    }
    batch.flush();
    const counts = batches[0]?.map((event) => ('count' in event ? event.count : 0));
    expect(counts).toEqual([2, 1, 1]);
  });

  it('is bounded: what does not fit is dropped and counted, merged facts still count', () => {
    const { batch, batches } = open();
    batch.push(rejected(1));
    for (let index = 1; index < EVENT_BATCH_MAX + 10; index++) batch.push(end(index));
    batch.push(rejected(2));
    batch.flush();
    const [events] = batches;
    expect(events?.at(-1)).toEqual({ type: 'events_lost', count: 10 });
    expect(events?.[0]).toMatchObject({ count: 2 });
    expect(events?.length).toBeLessThanOrEqual(EVENT_BATCH_MAX + 1);
    batch.push(end(0));
    batch.flush();
    expect(batches[1]).toEqual([end(0)]);
  });

  it('costs nothing without a sink', () => {
    const batch = new EventBatch(undefined);
    batch.push(end(1));
    expect(vi.getTimerCount()).toBe(0);
    batch.flush();
  });
});
