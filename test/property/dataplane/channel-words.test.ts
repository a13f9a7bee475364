/** Words of a reusable channel: the same ones come out, wherever the bytes are cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  abortWord,
  dataWord,
  endWord,
  freeWord,
  START_MAX_BYTES,
  startWord,
  type Word,
  WordReader,
} from '../../../ts/dataplane/channel-words.ts';

const word: fc.Arbitrary<Word> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes): Word => ({ kind: 'data', bytes })),
  fc.constant<Word>({ kind: 'end' }),
  fc.nat(255).map((reason): Word => ({ kind: 'abort', reason })),
  fc.uint8Array({ maxLength: 60 }).map((payload): Word => ({ kind: 'start', payload })),
  fc.constant<Word>({ kind: 'free' }),
);

function encode(one: Word): Buffer {
  switch (one.kind) {
    case 'data':
      return Buffer.concat([dataWord(one.bytes.length), one.bytes]);
    case 'end':
      return endWord();
    case 'abort':
      return abortWord(one.reason);
    case 'start':
      return startWord(one.payload);
    case 'free':
      return freeWord();
    case 'bad':
      throw new Error('nobody says that');
  }
}

/** As text; pieces of one record after the other are bytes of a record. */
function describeWord(one: Word): string {
  if (one.kind === 'data') return Buffer.from(one.bytes).toString('hex');
  if (one.kind === 'start') return `start ${Buffer.from(one.payload).toString('hex')} `;
  return one.kind === 'abort' ? `abort ${one.reason} ` : `${one.kind} `;
}

function read(chunks: readonly Uint8Array[], limit?: number): string {
  const reader = new WordReader();
  let text = '';
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let one = reader.next(limit); one !== undefined; one = reader.next(limit)) {
      text += describeWord(one);
      if (one.kind === 'bad') return text;
    }
    expect(reader.rest).toHaveLength(0);
  }
  expect(reader.isCut).toBe(false);
  return text;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

describe('words', () => {
  it('come out as they went in, wherever they are cut', () => {
    const words = fc.array(word, { maxLength: 12 });
    fc.assert(
      fc.property(words, fc.array(fc.nat(), { maxLength: 30 }), (all, places) => {
        const bytes = Buffer.concat(all.map(encode));
        expect(read(cut(bytes, places))).toBe(all.map(describeWord).join(''));
      }),
    );
  });

  it('come out the same byte by byte, and cut in two at every byte', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (all) => {
        const bytes = Buffer.concat(all.map(encode));
        const whole = read([bytes]);
        expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toBe(whole);
        for (let at = 0; at <= bytes.length; at++) {
          expect(read([bytes.subarray(0, at), bytes.subarray(at)])).toBe(whole);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('give no more payload than is asked for', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), fc.integer({ min: 1, max: 9 }), (all, max) => {
        const bytes = Buffer.concat(all.map(encode));
        expect(read([bytes], max)).toBe(all.map(describeWord).join(''));
      }),
    );
  });

  it('leave a record where it is while nothing of it is taken, and go on behind it', () => {
    const reader = new WordReader();
    reader.feed(Buffer.concat([dataWord(3), Buffer.from('abc'), endWord()]));
    expect(reader.next(0)).toBeUndefined();
    expect(reader.next(0)).toBeUndefined();
    expect(reader.rest).toHaveLength(7);
    expect(reader.next(2)).toEqual({ kind: 'data', bytes: Buffer.from('ab') });
    expect(reader.next(2)).toEqual({ kind: 'data', bytes: Buffer.from('c') });
    expect(reader.next(0)).toEqual({ kind: 'end' });
  });

  it.each([0x80000000, 0x8fffffff, 0xfffffffc])('%i is none', (value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    expect(read([bytes])).toBe('bad ');
  });

  it('a START that is too long is bad as soon as its length is known', () => {
    const long = startWord(new Uint8Array(START_MAX_BYTES + 1)).subarray(0, 6);
    expect(read([long.subarray(0, 5), long.subarray(5)])).toBe('bad ');
    const longest = startWord(new Uint8Array(START_MAX_BYTES));
    expect(read([longest])).toContain('start');
  });

  it('nothing is read behind a bad one', () => {
    const reader = new WordReader();
    reader.feed(Buffer.from([0, 0, 0, 0x80, 0, 0, 0, 0]));
    expect([reader.next(), reader.next()]).toEqual([{ kind: 'bad' }, { kind: 'bad' }]);
  });
});
