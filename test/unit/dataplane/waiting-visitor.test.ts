import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WaitingVisitor } from '../../../ts/dataplane/waiting-visitor.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

const STASH_MAX_BYTES = 16_384;

describe('waiting visitor', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function open() {
    const link = new FakeLink();
    const left: string[] = [];
    const visitor = new WaitingVisitor(link, DEFAULT_LIMITS, (_who, reason) => left.push(reason));
    visitor.wait();
    return { link, visitor, left };
  }

  it.each([1, 1_000, 8_192])('stops reading within 16 KiB of chunks of %i', (length) => {
    const { link, visitor } = open();
    let taken = length;
    while (link.peerSends(Buffer.alloc(length))) taken += length;
    expect(taken).toBeLessThanOrEqual(STASH_MAX_BYTES);
    const stashed = visitor.takeStash().reduce((sum, chunk) => sum + chunk.byteLength, 0);
    expect(stashed).toBe(taken);
  });

  it('leaves at its deadline although its stash is full', () => {
    const { link, left } = open();
    while (link.peerSends(Buffer.alloc(1_024)));
    vi.advanceTimersByTime(DEFAULT_LIMITS.poolWaitMs);
    expect(left).toEqual(['pool_timeout']);
  });
});
