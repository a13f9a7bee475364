/**
 * Noise records of an established connection, both ways (wire-v1 4.3). node:crypto costs per
 * record, so records are large.
 */
import { type Codec, type Opened, TransportFault } from './codec.ts';
import { PartialRecord } from './noise-partial.ts';
import { type CipherState, TAG_BYTES } from './noise-primitives.ts';
import { LENGTH_BYTES, PLAIN_MAX_BYTES, recordBytes } from './noise-record.ts';
import { Silence } from './silence.ts';

const EMPTY = Buffer.alloc(0);
const EMPTY_RECORDS_MAX = 32;

export class NoiseRecords implements Codec {
  readonly sendsFin = true;
  readonly #send: CipherState;
  readonly #receive: CipherState;
  readonly #silence = new Silence(EMPTY_RECORDS_MAX);
  #partial: PartialRecord | undefined;

  constructor(send: CipherState, receive: CipherState) {
    this.#send = send;
    this.#receive = receive;
  }

  seal(plain: Uint8Array): readonly Uint8Array[] {
    const count = Math.ceil(plain.byteLength / PLAIN_MAX_BYTES);
    const size = Math.ceil(plain.byteLength / count);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < plain.byteLength; at += size) {
      const [ciphertext, tag] = this.#send.seal(EMPTY, plain.subarray(at, at + size));
      const head = Buffer.allocUnsafe(LENGTH_BYTES);
      head.writeUInt16LE(ciphertext.length + TAG_BYTES);
      pieces.push(head, ciphertext, tag);
    }
    return pieces;
  }

  open(wire: Buffer): Opened {
    const plains: Buffer[] = [];
    let fault: TransportFault | undefined;
    this.#silence.giveBack();
    try {
      this.#openAll(wire, plains);
    } catch {
      this.#partial = undefined;
      const text = 'a Noise record is forged or malformed, or empty too often';
      fault = new TransportFault('bad_record', text);
    }
    const plain = plains.length > 1 ? Buffer.concat(plains) : plains[0];
    return { plain, ended: false, reply: undefined, fault };
  }

  fin(): TransportFault | undefined {
    if (this.#partial === undefined) return undefined;
    return new TransportFault('truncated', 'the connection ended inside a Noise record');
  }

  finish(): Uint8Array {
    return EMPTY;
  }

  /** @throws at a bad record; those before it are in `plains`. */
  #openAll(wire: Buffer, plains: Buffer[]): void {
    let rest = wire;
    if (this.#partial !== undefined) {
      rest = rest.subarray(this.#partial.add(rest));
      const record = this.#partial.whole;
      if (record === undefined) return;
      this.#partial = undefined;
      this.#openOne(record, plains);
    }
    while (rest.length > 0) {
      const length = recordBytes(rest);
      if (length === undefined || rest.length < length) {
        this.#partial = new PartialRecord(rest);
        return;
      }
      this.#openOne(rest.subarray(0, length), plains);
      rest = rest.subarray(length);
    }
  }

  #openOne(record: Buffer, plains: Buffer[]): void {
    const plain = this.#receive.open(EMPTY, record.subarray(LENGTH_BYTES));
    // An empty one carries nothing, and is no end.
    if (plain.length > 0) plains.push(plain);
    else if (!this.#silence.spend(1)) throw new RangeError('too many empty records');
  }
}
