import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decodeHello,
  encodeControlHello,
  encodeDataHello,
  HELLO_LENGTH,
} from '../../../ts/protocol/wire.ts';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });

it('every hello is decoded to what was encoded', () => {
  fc.assert(
    fc.property(digest, (value) => {
      expect(decodeHello(encodeControlHello(value))).toEqual({ kind: 'control', digest: value });
      expect(decodeHello(encodeDataHello(value))).toEqual({ kind: 'data', digest: value });
    }),
  );
});

it('whatever 37 bytes come, they are a hello of version 1 or bad, and never an exception', () => {
  const anything = fc.uint8Array({ minLength: HELLO_LENGTH, maxLength: HELLO_LENGTH });
  fc.assert(
    fc.property(anything, (value) => {
      const hello = decodeHello(value);
      const good = value[0] !== undefined && value[0] <= 1 && value[4] === 1;
      const zeros = value[1] === 0 && value[2] === 0 && value[3] === 0;
      expect(hello.kind === 'bad').toBe(!(good && zeros));
    }),
  );
});
