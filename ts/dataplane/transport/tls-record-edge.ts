/** Follows TLS records as they pass: how many there were, and whether the last one is complete. */

/** Type, version, and the length of what follows (RFC 8446 5.1). */
const HEAD_BYTES = 5;

export class TlsRecordEdge {
  /** Of the record under way: bytes still to come; while its head is incomplete, of that. */
  #left = HEAD_BYTES;
  #inHead = true;
  /** The high byte of its length, when the head was cut behind it. */
  #high = 0;
  #passed = 0;

  get reached(): boolean {
    return this.#inHead && this.#left === HEAD_BYTES;
  }

  /** Whole records that have passed. */
  get passed(): number {
    return this.#passed;
  }

  /** Of `bytes` from `from` on: up to where they passed, behind `max` records or at their end. */
  pass(bytes: Uint8Array, from: number, max: number): number {
    const last = this.#passed + max;
    let at = from;
    while (at < bytes.length && this.#passed < last) {
      if (!this.#inHead) {
        const step = Math.min(this.#left, bytes.length - at);
        at += step;
        this.#left -= step;
      } else {
        const byte = bytes[at] ?? 0;
        at += 1;
        this.#left -= 1;
        if (this.#left === 1) this.#high = byte;
        if (this.#left > 0) continue;
        this.#inHead = false;
        this.#left = this.#high * 256 + byte;
      }
      if (this.#left > 0) continue;
      this.#inHead = true;
      this.#left = HEAD_BYTES;
      this.#passed += 1;
    }
    return at;
  }
}
