/** Follows TLS records as they pass, to know whether the last one is complete. */

/** Type, version, and the length of what follows (RFC 8446 5.1). */
const HEAD_BYTES = 5;

export class TlsRecordEdge {
  /** Of the record under way: bytes still to come; while its head is incomplete, of that. */
  #left = HEAD_BYTES;
  #inHead = true;
  /** The high byte of its length, when the head was cut behind it. */
  #high = 0;

  get reached(): boolean {
    return this.#inHead && this.#left === HEAD_BYTES;
  }

  pass(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
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
    }
  }
}
