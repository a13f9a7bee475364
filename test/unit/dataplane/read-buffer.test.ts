import { describe, expect, it } from 'vitest';
import { ReadBuffer } from '../../../ts/dataplane/read-buffer.ts';

function read(buffer: ReadBuffer, length: number, fill: number): Uint8Array {
  buffer.current.fill(fill, 0, length);
  const chunk = buffer.take(length);
  return chunk;
}

function whole(): ReadBuffer {
  const buffer = new ReadBuffer();
  buffer.allow('whole');
  return buffer;
}

describe('read buffer', () => {
  it('gives quiet connections memory of their own', () => {
    const [one, two] = [new ReadBuffer(), new ReadBuffer()];
    const first = read(one, 10, 1);
    const second = read(two, 10, 2);
    expect([...first]).toEqual(Array(10).fill(1));
    expect([...second]).toEqual(Array(10).fill(2));
  });

  it('reads little from a connection that nobody has taken into use', () => {
    expect(new ReadBuffer().current.length).toBe(8_192);
    expect(whole().current.length).toBe(65_536);
  });

  it('never lends a buffer before reuse was promised', () => {
    const buffer = new ReadBuffer();
    buffer.allow('whole');
    for (let index = 0; index < 10; index++) {
      const chunk = read(buffer, 65_536, index);
      buffer.adapt(65_536);
      read(whole(), 65_536, 99);
      expect(chunk[0]).toBe(index);
    }
  });

  it('lends one to bulk, not shared with others, and takes it back when it is quiet', () => {
    const [bulk, other] = [new ReadBuffer(), whole()];
    bulk.allow('reused');
    const shared = bulk.current;
    read(bulk, 65_536, 1);
    bulk.adapt(65_536);
    expect(bulk.current).not.toBe(shared);
    const held = read(bulk, 65_536, 5);
    read(other, 65_536, 6);
    expect(held[0]).toBe(5);
    for (let index = 0; index < 100; index++) bulk.adapt(10);
    expect(bulk.current).toBe(shared);
  });

  it('does not lend one buffer to two', () => {
    const buffers = Array.from({ length: 10 }, () => new ReadBuffer());
    for (const buffer of buffers) {
      buffer.allow('reused');
      buffer.adapt(65_536);
    }
    expect(new Set(buffers.map(({ current }) => current)).size).toBe(10);
    for (const buffer of buffers) buffer.release();
    for (const buffer of buffers) buffer.release();
    for (const buffer of buffers) buffer.adapt(65_536);
    expect(new Set(buffers.map(({ current }) => current)).size).toBe(10);
    for (const buffer of buffers) buffer.release();
  });
});
