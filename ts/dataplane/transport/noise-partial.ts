/**
 * The beginning of a Noise record whose end has not come. Its memory grows with what came, never
 * with what its length promises: two bytes must not cost 64 KiB.
 */
import { LENGTH_BYTES, recordBytes } from './noise-record.ts';

const EMPTY: Buffer = Buffer.alloc(0);
const FIRST_BYTES = 512;

export class PartialRecord {
  #memory: Buffer = EMPTY;
  #have = 0;

  /** Copies `bytes`, which are less than a record. */
  constructor(bytes: Buffer) {
    this.add(bytes);
  }

  /** Takes what belongs to the record; how much that is. */
  add(bytes: Buffer): number {
    let used = 0;
    for (;;) {
      const need = recordBytes(this.#memory.subarray(0, this.#have)) ?? LENGTH_BYTES;
      const count = Math.min(need - this.#have, bytes.length - used);
      if (count === 0) return used;
      this.#reserve(this.#have + count, need);
      bytes.copy(this.#memory, this.#have, used, used + count);
      this.#have += count;
      used += count;
    }
  }

  /** The record, once it is whole. */
  get whole(): Buffer | undefined {
    const bytes = this.#memory.subarray(0, this.#have);
    return recordBytes(bytes) === this.#have ? bytes : undefined;
  }

  #reserve(length: number, need: number): void {
    if (this.#memory.length >= length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(need, Math.max(FIRST_BYTES, 2 * length)));
    this.#memory.copy(larger, 0, 0, this.#have);
    this.#memory = larger;
  }
}
