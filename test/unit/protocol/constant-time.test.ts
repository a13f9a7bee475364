import type crypto from 'node:crypto';
import { expect, it, vi } from 'vitest';

vi.mock('node:crypto', async (original) => {
  const actual = await original<typeof crypto>();
  return { ...actual, default: actual, timingSafeEqual: vi.fn(actual.timingSafeEqual) };
});

it('W26: the compare is the constant-time one of node:crypto', async () => {
  const { timingSafeEqual } = await import('node:crypto');
  const { digestsEqual } = await import('../../../ts/protocol/wire.ts');
  const [a, b] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  expect(digestsEqual(a, b)).toBe(false);
  expect(timingSafeEqual).toHaveBeenCalledExactlyOnceWith(a, b);
});
