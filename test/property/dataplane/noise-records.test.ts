import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CIPHERS, CipherState } from '../../../ts/dataplane/transport/noise-primitives.ts';
import { RECORD_MAX_BYTES } from '../../../ts/dataplane/transport/noise-record.ts';
import { NoiseRecords } from '../../../ts/dataplane/transport/noise-records.ts';
import { hardCases, pieces } from '../../helpers/corpus.ts';
import { type Outcome, take } from './codecs.ts';

const cuts = fc.array(fc.nat(), { maxLength: 12 });

function codecs(cipher = 'ChaChaPoly'): { sender: NoiseRecords; receiver: NoiseRecords } {
  const algorithm = CIPHERS[cipher];
  if (algorithm === undefined) throw new Error(cipher);
  const state = (fill: number): CipherState => new CipherState(algorithm, Buffer.alloc(32, fill));
  return {
    sender: new NoiseRecords(state(1), state(2)),
    receiver: new NoiseRecords(state(2), state(1)),
  };
}

it('arbitrary bytes never are plaintext, and come to the same however they are cut', () => {
  const arbitrary = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  const small = fc
    .array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 4 })
    .map((records) =>
      Buffer.concat(records.flatMap((record) => [Buffer.of(record.length, 0), record])),
    );
  fc.assert(
    fc.property(fc.oneof(arbitrary, small), cuts, (wire, places) => {
      const whole = take(codecs().receiver, [Buffer.from(wire)], 0);
      expect(whole.plain).toHaveLength(0);
      expect(take(codecs().receiver, pieces(wire, places), 0)).toEqual(whole);
    }),
    { numRuns: 2_000 },
  );
});

it.each(Object.keys(CIPHERS))('what %s seals is opened, however it is cut', (cipher) => {
  const writes = fc.array(fc.uint8Array({ minLength: 1, maxLength: 140_000 }), { maxLength: 4 });
  fc.assert(
    fc.property(writes, cuts, (plains, places) => {
      const { sender, receiver } = codecs(cipher);
      const wire = Buffer.concat(plains.flatMap((plain) => sender.seal(plain)));
      const { plain, outcome } = take(receiver, pieces(wire, places), RECORD_MAX_BYTES);
      expect(outcome).toBe('ok');
      expect(plain.equals(Buffer.concat(plains))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

it('a change of any bit ends it there: only what came before is plaintext', () => {
  const writes = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(writes, fc.nat(), cuts, (plains, place, places) => {
      const { sender, receiver } = codecs();
      const records = plains.map((plain) => Buffer.concat(sender.seal(plain)));
      const wire = Buffer.concat(records);
      const bit = place % (wire.length * 8);
      wire[bit >> 3] = (wire[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      let before = 0;
      for (let end = 0; before < records.length; before++) {
        end += records[before]?.length ?? 0;
        if (end > bit >> 3) break;
      }
      const { plain, outcome } = take(receiver, pieces(wire, places), RECORD_MAX_BYTES);
      // A length that was made longer waits for what does not come.
      expect(['bad', 'cut']).toContain(outcome);
      expect(plain).toEqual(Buffer.concat(plains.slice(0, before)));
    }),
    { numRuns: 1_000 },
  );
});

describe('hard cases', () => {
  it.each(hardCases('noise-records.txt'))('$why', ({ wire, outcome }) => {
    const whole = take(codecs().receiver, [Buffer.from(wire)], 0);
    expect(whole.outcome).toBe<Outcome>(outcome as Outcome);
    for (let at = 0; at <= wire.length; at++) {
      expect(take(codecs().receiver, pieces(wire, [at]), 0)).toEqual(whole);
    }
  });
});
