import { describe, expect, it } from 'vitest';
import { Admission } from '../../../ts/dataplane/admission.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';

function admission(total: number, perAddress: number): Admission {
  return new Admission({
    ...DEFAULT_LIMITS,
    unauthenticatedTotal: total,
    unauthenticatedPerAddress: perAddress,
  });
}

describe('admission', () => {
  it('W2: caps each address on its own', () => {
    const caps = admission(100, 2);
    expect(caps.enter('a')).toBe('admitted');
    expect(caps.enter('a')).toBe('admitted');
    expect(caps.enter('a')).toBe('limit_address');
    expect(caps.enter('b')).toBe('admitted');
    caps.leave('a');
    expect(caps.enter('a')).toBe('admitted');
    expect(caps.unauthenticated).toBe(3);
  });

  it('W2: caps all of them together', () => {
    const caps = admission(2, 10);
    expect(caps.enter('a')).toBe('admitted');
    expect(caps.enter('b')).toBe('admitted');
    expect(caps.enter('c')).toBe('limit_total');
    caps.leave('b');
    expect(caps.enter('c')).toBe('admitted');
  });

  it('refused connections count for nothing', () => {
    const caps = admission(1, 1);
    caps.enter('a');
    for (let index = 0; index < 10; index++) caps.enter('a');
    caps.leave('a');
    expect(caps.unauthenticated).toBe(0);
    expect(caps.enter('a')).toBe('admitted');
  });

  it('expected channels have room beside the caps, only at their address', () => {
    const caps = admission(1, 1);
    caps.expect('a', 2);
    expect(['a', 'a', 'a'].map((from) => caps.enter(from))).toEqual([
      'admitted',
      'admitted',
      'admitted',
    ]);
    expect(caps.enter('a')).toMatch(/^limit_/);
    expect(caps.enter('b')).toMatch(/^limit_/);
  });

  it('expectations that are taken back leave the caps as they were', () => {
    const caps = admission(10, 1);
    caps.expect('a', 5);
    caps.expect('a', -3);
    caps.expect('a', -2);
    expect(caps.enter('a')).toBe('admitted');
    expect(caps.enter('a')).toBe('limit_address');
  });

  it('strangers of any number never take the places that were asked for', () => {
    const caps = admission(2, 2);
    caps.expect('client', 3);
    expect([caps.enter('x'), caps.enter('y')]).toEqual(['admitted', 'admitted']);
    expect(caps.enter('z')).toBe('limit_total');
    for (let index = 0; index < 3; index++) expect(caps.enter('client')).toBe('admitted');
    expect(caps.enter('client')).toBe('limit_total');
    for (let index = 0; index < 3; index++) caps.leave('client');
    caps.expect('client', -3);
    caps.leave('x');
    caps.leave('y');
    expect(caps.unauthenticated).toBe(0);
    expect(caps.enter('z')).toBe('admitted');
  });

  it('counts a whole IPv6 /64 as one', () => {
    const caps = admission(100, 1);
    expect(caps.enter('2001:db8::1')).toBe('admitted');
    expect(caps.enter('2001:db8::ffff:2')).toBe('limit_address');
    expect(caps.enter('2001:db8:0:1::1')).toBe('admitted');
  });
});
