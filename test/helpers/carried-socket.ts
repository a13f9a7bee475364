/**
 * A transport on a socket, as a socket: bytes in and out through a codec that a test peer brings.
 * What is below it can be written to by itself, so that a test can send what no codec would.
 */
import { Duplex } from 'node:stream';

/** What came: payload, or the end of the peer's direction. Anything malformed throws. */
export interface PeerCodec {
  decode(bytes: Buffer): { readonly payloads: readonly Buffer[]; readonly ended: boolean };
  encode(payload: Uint8Array): Uint8Array;
  /** Our end, in bytes; undefined where it is the FIN below. */
  readonly goodbye: (() => Uint8Array) | undefined;
}

export class CarriedSocket extends Duplex {
  readonly below: Duplex;
  readonly codec: PeerCodec;
  /** The peer has said that it ends; without a goodbye its FIN says it. */
  #said = false;
  /** The connection below ended although the peer had not said so. */
  truncated = false;
  bytesWritten = 0;

  constructor(below: Duplex, codec: PeerCodec) {
    super({ allowHalfOpen: true });
    this.below = below;
    this.codec = codec;
    below.on('data', (bytes: Buffer) => this.#take(bytes));
    below.on('end', () => this.#end());
    below.on('error', (error) => this.destroy(error));
    below.on('close', () => this.destroy());
  }

  override _read(): void {
    this.below.resume();
  }

  override _write(
    payload: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.bytesWritten += payload.length;
    this.below.write(this.codec.encode(payload), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    const { goodbye } = this.codec;
    if (goodbye === undefined) this.below.end(() => done());
    else this.below.write(goodbye(), () => done());
    if (this.#said) this.below.end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // What was said last still goes out when both sides have ended.
    if (error === null && this.writableFinished && this.readableEnded) this.below.end();
    else this.below.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    try {
      const { payloads, ended } = this.codec.decode(bytes);
      for (const payload of payloads) {
        if (payload.length > 0 && !this.push(payload)) this.below.pause();
      }
      if (ended && !this.#said) {
        this.#said = true;
        this.push(null);
        if (this.writableFinished) this.below.end();
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #end(): void {
    if (this.#said) return;
    this.truncated = this.codec.goodbye !== undefined;
    this.#said = true;
    this.push(null);
  }
}

/** Exactly so many bytes of a stream that nobody reads yet; the rest stays in it. */
export async function readExactly(stream: Duplex, length: number): Promise<Buffer> {
  for (;;) {
    // `read` gives less than asked for at the end of the stream.
    const bytes = stream.read(length) as Buffer | null;
    if (bytes !== null) {
      if (bytes.length === length) return bytes;
      throw new Error(`ended within ${length} bytes`);
    }
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        for (const name of ['readable', 'end', 'error', 'close']) stream.off(name, wake);
        if (error === undefined) resolve();
        else reject(error);
      };
      const wake = (error?: unknown): void => {
        const isOver = stream.destroyed || stream.readableEnded;
        settle(isOver || error instanceof Error ? new Error('ended before a message') : undefined);
      };
      for (const name of ['readable', 'end', 'error', 'close']) stream.on(name, wake);
    });
  }
}
