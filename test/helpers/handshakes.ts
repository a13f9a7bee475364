/** Handshakes and codecs of ts/dataplane/transport against each other, without a connection. */
import type { Codec, Handshake, Opened, RefusedError } from '../../ts/dataplane/transport/codec.ts';

/** What one side of a handshake came to. */
export interface Shaken {
  /** All that it sent. */
  readonly sent: Buffer;
  readonly codec: Codec | undefined;
  readonly refused: RefusedError | undefined;
  /** What it got and did not use. */
  readonly rest: Buffer;
}

/** One side, fed as its test likes. */
export class HandshakeSide {
  readonly #handshake: Handshake;
  #came: Buffer = Buffer.alloc(0);
  #sent: Buffer = Buffer.alloc(0);
  #unsent: Buffer = Buffer.alloc(0);
  state: 'wait' | 'done' | 'refused' = 'wait';
  codec: Codec | undefined;
  refused: RefusedError | undefined;

  constructor(handshake: Handshake) {
    this.#handshake = handshake;
    this.feed(Buffer.alloc(0));
  }

  feed(bytes: Uint8Array): this {
    this.#came = Buffer.concat([this.#came, bytes]);
    if (this.state !== 'wait') return this;
    const step = this.#handshake.advance(this.#came);
    const out = Buffer.concat(step.out);
    this.#sent = Buffer.concat([this.#sent, out]);
    this.#unsent = Buffer.concat([this.#unsent, out]);
    this.state = step.state;
    if (step.state === 'refused') this.refused = step.error;
    else this.#came = Buffer.from(this.#came.subarray(step.used));
    if (step.state === 'done') this.codec = step.codec;
    return this;
  }

  /** What it has to send since the last time. */
  take(): Buffer {
    const bytes = this.#unsent;
    this.#unsent = Buffer.alloc(0);
    return bytes;
  }

  get shaken(): Shaken {
    return { sent: this.#sent, codec: this.codec, refused: this.refused, rest: this.#came };
  }

  get ready(): Codec {
    if (this.codec === undefined) throw new Error(`no codec: ${this.refused?.message ?? 'waits'}`);
    return this.codec;
  }
}

/** Both sides until neither has more to say; every byte by itself when `split`. */
export function handshakes(
  first: Handshake,
  second: Handshake,
  split = false,
): { first: HandshakeSide; second: HandshakeSide } {
  const sides = [new HandshakeSide(first), new HandshakeSide(second)] as const;
  for (;;) {
    const messages = sides.map((side) => side.take());
    if (messages.every((message) => message.length === 0)) break;
    for (const [index, message] of messages.entries()) {
      const to = sides[1 - index];
      if (split) for (const byte of message) to?.feed(Uint8Array.of(byte));
      else if (message.length > 0) to?.feed(message);
    }
  }
  return { first: sides[0], second: sides[1] };
}

/** The wire bytes of a codec in one piece. */
export function sealed(codec: Codec, plain: Uint8Array): Buffer {
  return Buffer.concat(codec.seal(plain));
}

/** What a codec makes of wire bytes: `wire` stays as it is. */
export function opened(codec: Codec, wire: Uint8Array): Omit<Opened, 'plain'> & { plain: string } {
  const { plain, ...rest } = codec.open(Buffer.from(wire));
  return { ...rest, plain: plain === undefined ? '' : Buffer.from(plain).toString('latin1') };
}
