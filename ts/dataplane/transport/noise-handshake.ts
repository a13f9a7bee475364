/** The Noise handshake on a connection: framed messages without payload (wire-v1 4.3). */
import { timingSafeEqual } from 'node:crypto';
import { errorText } from '../../errors.ts';
import { type Handshake, RefusedError, type Step } from './codec.ts';
import { SmallOrderError } from './noise-primitives.ts';
import { NoiseRecords } from './noise-records.ts';
import type { NoiseState } from './noise-state.ts';

const NO_PAYLOAD = Buffer.alloc(0);
const LENGTH_BYTES = 2;

export interface NoiseHandshakeOptions {
  readonly state: NoiseState;
  /** Of each message, in order: all are known beforehand. */
  readonly lengths: readonly number[];
  readonly pattern: string;
  /** The peer's static key as it is configured; compared with the one that it shows (W21). */
  readonly pinned: Uint8Array | undefined;
}

export class NoiseHandshake implements Handshake {
  readonly name = 'Noise';
  readonly whenClosed =
    ': it may have another pattern, or another key than remote_public_key of one of the two says';
  readonly #options: NoiseHandshakeOptions;

  constructor(options: NoiseHandshakeOptions) {
    this.#options = options;
  }

  advance(came: Buffer): Step {
    const { state } = this.#options;
    const out: Uint8Array[] = [];
    let used = 0;
    try {
      while (!state.complete) {
        if (state.writesNext) {
          out.push(this.#write());
          continue;
        }
        const message = this.#messageIn(came.subarray(used));
        if (message === undefined) return { state: 'wait', used, out };
        used += LENGTH_BYTES + message.length;
        this.#read(message);
      }
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      return { state: 'refused', out, error };
    }
    const { send, receive } = state.split();
    return { state: 'done', used, out, codec: new NoiseRecords(send, receive) };
  }

  #write(): Buffer {
    const { state } = this.#options;
    const name = this.#message();
    try {
      return framed(state.write(NO_PAYLOAD));
    } catch (error) {
      throw new RefusedError('noise_failed', `${name}: ${errorText(error)}`);
    }
  }

  /** The next message, if it is there as a whole; a wrong length is refused at once. */
  #messageIn(came: Buffer): Buffer | undefined {
    if (came.length < LENGTH_BYTES) return undefined;
    const { state, lengths } = this.#options;
    const length = came.readUInt16LE(0);
    const wanted = lengths[state.next];
    if (length !== wanted) {
      const text = `${this.#message()} is ${length} bytes long instead of ${wanted}`;
      const why = 'the peer uses another pattern, or does not speak Noise';
      throw new RefusedError('noise_failed', `${text}: ${why}`);
    }
    const end = LENGTH_BYTES + length;
    return came.length < end ? undefined : came.subarray(LENGTH_BYTES, end);
  }

  #read(message: Buffer): void {
    const { state, pinned } = this.#options;
    const name = this.#message();
    try {
      state.read(message);
    } catch (error) {
      if (error instanceof SmallOrderError) {
        throw new RefusedError('noise_failed', `${name}: ${error.message}`);
      }
      // Whatever else failed, its cause is what the peer sent.
      const keys = 'remote_public_key of one side has to belong to local_private_key of the other';
      const why = `the keys do not match (${keys}), or the peer uses another pattern`;
      throw new RefusedError('noise_failed', `${name} cannot be decrypted: ${why}`);
    }
    // As soon as it is known, before we answer: the pattern alone takes any key (W21).
    const { remote } = state;
    if (pinned === undefined || remote === undefined || timingSafeEqual(remote, pinned)) return;
    const [shown, wanted] = [remote, Buffer.from(pinned)].map((key) => key.toString('base64'));
    const text = `the peer's key is ${shown}, and not the configured remote_public_key ${wanted}`;
    throw new RefusedError('key_mismatch', `${name}: ${text}`);
  }

  #message(): string {
    const { state, lengths, pattern } = this.#options;
    return `message ${state.next + 1} of ${lengths.length} of ${pattern}`;
  }
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
  frame.writeUInt16LE(message.length);
  message.copy(frame, LENGTH_BYTES);
  return frame;
}
