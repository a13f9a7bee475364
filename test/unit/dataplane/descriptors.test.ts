import { describe, expect, it } from 'vitest';
import { Descriptors } from '../../../ts/dataplane/descriptors.ts';

describe('descriptors', () => {
  it('keeps at least 16, or a twentieth of them, from visitors', () => {
    expect([47, 48].map((fd) => new Descriptors(64).isShort(fd))).toEqual([false, true]);
    expect([949, 950].map((fd) => new Descriptors(1_000).isShort(fd))).toEqual([false, true]);
  });

  it('leaves udp sessions half of what visitors may have', () => {
    expect(new Descriptors(1_000).udpSockets).toBe(475);
  });

  it('refuses nothing where the limit or the number is not known', () => {
    expect(new Descriptors(64).isShort(-1)).toBe(false);
    const unknown = new Descriptors(Number.POSITIVE_INFINITY);
    expect(unknown.isShort(1_000_000)).toBe(false);
    expect(unknown.udpSockets).toBe(Number.POSITIVE_INFINITY);
  });
});
