/**
 * Bytes that say whose they are: a stream per visitor and direction, of a generator keyed by both. A reader
 * that knows the key knows every byte, so one that belongs to another visitor, or to another place, is seen
 * where it comes.
 */

export type Direction = 'in' | 'out';

/** Numbers from a seed, the same on every machine: a run that failed can be run again. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 <= number < 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Of every order of magnitude as often, up to `limit`. */
  size(limit: number): number {
    return Math.floor(limit ** this.next());
  }

  isOneIn(count: number): boolean {
    return this.below(count) === 0;
  }
}

/** Byte `at` of a stream is one of a keyed block; blocks differ by key and by place. */
export class TaggedStream {
  readonly #dice: Dice;
  #word = 0;
  #left = 0;
  /** Bytes so far. */
  at = 0;

  constructor(visitor: number, direction: Direction) {
    this.#dice = new Dice(visitor * 2 + (direction === 'in' ? 0 : 1) + 0x5eed);
  }

  take(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let index = 0; index < length; index++) bytes[index] = this.#next();
    return bytes;
  }

  /** Where the first byte is that is not the stream's next; undefined: all are. */
  firstForeign(bytes: Buffer): number | undefined {
    for (const byte of bytes) {
      if (byte !== this.#next()) return this.at - 1;
    }
    return undefined;
  }

  #next(): number {
    if (this.#left === 0) {
      this.#word = Math.floor(this.#dice.next() * 4_294_967_296);
      this.#left = 4;
    }
    this.#left -= 1;
    this.at += 1;
    const byte = this.#word & 0xff;
    this.#word >>>= 8;
    return byte;
  }
}
