/** How a Noise record lies on the wire: its length, u16 little-endian, then ciphertext and tag. */
import { TAG_BYTES } from './noise-primitives.ts';

export const LENGTH_BYTES = 2;
export const RECORD_MAX_BYTES = 65_535;
export const PLAIN_MAX_BYTES: number = RECORD_MAX_BYTES - TAG_BYTES;

/**
 * Of the record that begins there, its length included; undefined while that is not known.
 * @throws for one without room for its tag.
 */
export function recordBytes(bytes: Buffer): number | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const length = bytes.readUInt16LE(0);
  if (length < TAG_BYTES) throw new RangeError('a record without a tag');
  return LENGTH_BYTES + length;
}
