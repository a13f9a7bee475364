/**
 * What a use of a reusable channel writes on the link below: words with what belongs to them. Small
 * writes leave as one buffer, bulk is not copied.
 */
import type { ChannelUse } from './channel-use.ts';
import { dataWord } from './channel-words.ts';
import type { Link } from './link.ts';

/** Up to this a copy costs less than a second buffer in the write. */
const SMALL_BYTES = 16_384;
const NOTHING = new Uint8Array(0);
const NO_WORDS = (): Uint8Array => NOTHING;

export class RecordWriter {
  readonly #below: Link;
  readonly #use: ChannelUse;
  /** What puts the channel to use; ahead of everything else. */
  #head: Uint8Array;
  #corks = 0;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;

  constructor(below: Link, use: ChannelUse, head: Uint8Array) {
    this.#below = below;
    this.#use = use;
    this.#head = head;
  }

  get isCorked(): boolean {
    return this.#corks > 0;
  }

  /** Bytes that were not handed to the link below. */
  get waiting(): number {
    return this.#head.byteLength + this.#gatheredBytes;
  }

  cork(): void {
    this.#corks += 1;
  }

  /** True: the last cork is out. */
  uncork(): boolean {
    if (this.#corks > 0) this.#corks -= 1;
    return this.#corks === 0;
  }

  /** One record, now or with the next `flush`. */
  data(chunk: Uint8Array): void {
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.byteLength;
    if (this.#corks === 0) this.flush();
  }

  /** Everything that waits as one record, then `words` behind it, in one write. */
  flush(words: () => Uint8Array = NO_WORDS): void {
    this.#corks = 0;
    const payload = this.#gathered;
    const length = this.#gatheredBytes;
    const pieces = [this.#head];
    if (length > 0) {
      this.#use.say('data', length);
      pieces.push(dataWord(length), ...payload);
    }
    pieces.push(words());
    this.#head = NOTHING;
    this.forget();
    this.#write(pieces.filter(({ byteLength }) => byteLength > 0));
  }

  /** What was gathered is for nobody any more. */
  forget(): void {
    this.#gathered = [];
    this.#gatheredBytes = 0;
  }

  #write(pieces: readonly Uint8Array[]): void {
    const [first] = pieces;
    if (first === undefined) return;
    const below = this.#below;
    const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (pieces.length === 1) below.write(first);
    else if (length <= SMALL_BYTES) below.write(Buffer.concat(pieces, length));
    else {
      below.cork();
      for (const piece of pieces) below.write(piece);
      below.uncork();
    }
  }
}
