/**
 * The words of a reusable data channel (docs/wire.md, section 3): how they are written, and a reader
 * that takes them from chunks cut anywhere. No I/O; which word is allowed when, `channel-use.ts` knows.
 */

const WORD_BYTES = 4;
const LENGTH_BYTES = 2;
const ABORT = 0xffffffff;
const START = 0xfffffffe;
const FREE = 0xfffffffd;

/** The largest payload that one DATA word announces. */
export const DATA_MAX_BYTES = 0x7fffffff;
/** What a START may carry: all that a reader ever keeps, but for a word that was cut. */
export const START_MAX_BYTES = 1_024;

/** As it came. Of DATA, as much of the payload as is there: several pieces make one record. */
export type Word =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'abort'; readonly reason: number }
  /** `payload`: memory of its own. */
  | { readonly kind: 'start'; readonly payload: Uint8Array }
  | { readonly kind: 'free' }
  /** None of these; nothing is read behind it. */
  | { readonly kind: 'bad' };

const END_WORD: Word = { kind: 'end' };
const FREE_WORD: Word = { kind: 'free' };
const BAD_WORD: Word = { kind: 'bad' };
const NOTHING = Buffer.alloc(0);

/** The word ahead of `length` (at least 1) bytes of payload. */
export function dataWord(length: number): Buffer {
  return word(length);
}

export function endWord(): Buffer {
  return word(0);
}

export function abortWord(reason: number): Buffer {
  const bytes = Buffer.allocUnsafe(WORD_BYTES + 1);
  bytes.writeUInt32LE(ABORT);
  bytes[WORD_BYTES] = reason;
  return bytes;
}

export function startWord(payload: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(WORD_BYTES + LENGTH_BYTES);
  head.writeUInt32LE(START);
  head.writeUInt16LE(payload.byteLength, WORD_BYTES);
  return Buffer.concat([head, payload]);
}

export function freeWord(): Buffer {
  return word(FREE);
}

function word(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(WORD_BYTES);
  bytes.writeUInt32LE(value);
  return bytes;
}

/**
 * Reads words. `feed` gives it a chunk, `next` takes one word after the other from that, so that who
 * reads can stop between two of them and go on later; the chunk must stay as it is until then.
 */
export class WordReader {
  #chunk: Buffer = NOTHING;
  /** Of the record under way. */
  #payloadLeft = 0;
  /** What was cut: a word, an ABORT or a START whose rest has not come. */
  #cut: Buffer = NOTHING;
  #isBad = false;

  /** Only when `next` has found nothing more. */
  feed(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }

  /** What was fed and not read. */
  get rest(): Uint8Array {
    return this.#chunk;
  }

  /** A word has begun that has not come to its end; a piece of a record counts as whole. */
  get isCut(): boolean {
    return this.#cut.length > 0;
  }

  /** `limit`: no more payload than that; with none, what is there of a record stays unread. */
  next(limit: number = DATA_MAX_BYTES): Word | undefined {
    if (this.#isBad) return BAD_WORD;
    if (this.#payloadLeft > 0) return this.#takePayload(limit);
    const head = this.#gather(WORD_BYTES);
    if (head === undefined) return undefined;
    const value = head.readUInt32LE(0);
    if (value === ABORT) return this.#takeAbort();
    if (value === START) return this.#takeStart();
    this.#cut = NOTHING;
    if (value === 0) return END_WORD;
    if (value === FREE) return FREE_WORD;
    if (value > DATA_MAX_BYTES) return this.#bad();
    this.#payloadLeft = value;
    return this.#takePayload(limit);
  }

  #takePayload(limit: number): Word | undefined {
    const bytes = this.#chunk.subarray(0, Math.min(this.#payloadLeft, limit));
    if (bytes.length === 0) return undefined;
    this.#payloadLeft -= bytes.length;
    this.#chunk = this.#chunk.subarray(bytes.length);
    return { kind: 'data', bytes };
  }

  #takeAbort(): Word | undefined {
    const whole = this.#gather(WORD_BYTES + 1);
    if (whole === undefined) return undefined;
    const reason = whole[WORD_BYTES] ?? 0;
    this.#cut = NOTHING;
    return { kind: 'abort', reason };
  }

  #takeStart(): Word | undefined {
    const head = this.#gather(WORD_BYTES + LENGTH_BYTES);
    if (head === undefined) return undefined;
    const length = head.readUInt16LE(WORD_BYTES);
    if (length > START_MAX_BYTES) return this.#bad();
    const whole = this.#gather(WORD_BYTES + LENGTH_BYTES + length);
    if (whole === undefined) return undefined;
    const payload = Buffer.from(whole.subarray(WORD_BYTES + LENGTH_BYTES));
    this.#cut = NOTHING;
    return { kind: 'start', payload };
  }

  /** Moves bytes of the chunk behind what was cut until those are `length` bytes together. */
  #gather(length: number): Buffer | undefined {
    const missing = length - this.#cut.length;
    if (missing > 0) {
      const more = this.#chunk.subarray(0, missing);
      if (more.length > 0) this.#cut = Buffer.concat([this.#cut, more]);
      this.#chunk = this.#chunk.subarray(more.length);
    }
    return this.#cut.length < length ? undefined : this.#cut;
  }

  #bad(): Word {
    this.#isBad = true;
    return BAD_WORD;
  }
}
