/** Hard cases of decoders (test/vectors/fuzz). */
import { readFileSync } from 'node:fs';

export interface HardCase {
  readonly receiver: string;
  readonly wire: Buffer;
  readonly outcome: string;
  readonly why: string;
}

export function hardCases(name: string): HardCase[] {
  const text = readFileSync(new URL(`../vectors/fuzz/${name}`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [code = '', why = ''] = line.split(' # ');
      const [receiver = '', hex = '', outcome = ''] = code.split(' ');
      return { receiver, wire: Buffer.from(hex, 'hex'), outcome, why };
    });
}

/** Cuts bytes at the places, whatever they are, in copies: as reads bring them. */
export function pieces(wire: Uint8Array, places: readonly number[]): Buffer[] {
  const at = places.map((place) => place % (wire.length + 1)).sort((a, b) => a - b);
  return [0, ...at].map((from, index) =>
    Buffer.from(wire.subarray(from, at[index] ?? wire.length)),
  );
}
