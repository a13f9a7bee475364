/** A stream of bytes in binary frames (wire-v1 4.4): the codec of both ends. */
import { type Codec, type Opened, TransportFault } from './codec.ts';
import {
  type FrameKind,
  ownHeadBytes,
  type WebsocketRole,
  writeFrameHead,
} from './websocket-frame-head.ts';
import { applyMask } from './websocket-mask.ts';
import { Receiver } from './websocket-receive.ts';

/** Of one frame of ours: what two bytes of length can say. */
const PAYLOAD_MAX_BYTES = 65_535;
/** Up to here copying is cheaper than a second piece in a write. */
const COPY_MAX_BYTES = 4_096;

export class WebsocketFrames implements Codec {
  /** FIN would end both directions where something between us knows no half-closed connection. */
  readonly sendsFin = false;
  readonly #role: WebsocketRole;
  /** The peer is warren: it takes Close as the end of one direction, and a pong as nothing. */
  readonly #ours: boolean;
  readonly #receiver: Receiver;
  #closed = false;

  constructor(role: WebsocketRole, ours: boolean) {
    this.#role = role;
    this.#ours = ours;
    this.#receiver = new Receiver(role);
  }

  seal(plain: Uint8Array): readonly Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < plain.byteLength; at += PAYLOAD_MAX_BYTES) {
      this.#frame('binary', plain.subarray(at, at + PAYLOAD_MAX_BYTES), pieces);
    }
    return pieces;
  }

  open(wire: Buffer): Opened {
    const { plain, ping } = this.#receiver.receive(wire);
    const reply: Uint8Array[] = [];
    // The last ping stands for all before it (RFC 6455 5.5.3). Stock peers die of a pong.
    if (ping !== undefined && this.#ours && !this.#closed) this.#frame('pong', ping, reply);
    const { state } = this.#receiver;
    return {
      plain: plain.length > 0 ? plain : undefined,
      ended: state === 'ended',
      reply: reply[0],
      fault: state === 'failed' ? badFrame() : undefined,
    };
  }

  fin(): TransportFault | undefined {
    const { state, betweenFrames } = this.#receiver;
    // A stock peer that was told just goes.
    if (state === 'ended' || (this.#closed && !this.#ours)) return undefined;
    const text = betweenFrames ? 'without a Close frame' : 'inside a WebSocket frame';
    return new TransportFault('truncated', `the connection ended ${text}`, betweenFrames);
  }

  /**
   * A stock peer takes Close as the end of both directions. A client does not hold it back all the
   * same: whoever waits for the end of an answer would wait for ever, while what is still sent to a
   * service that has ended hardly matters.
   */
  finish(last: boolean): Uint8Array | 'later' {
    if (!last && !this.#ours && this.#role === 'server') return 'later';
    this.#closed = true;
    const pieces: Uint8Array[] = [];
    this.#frame('close', new Uint8Array(0), pieces);
    return pieces[0] ?? new Uint8Array(0);
  }

  /** One piece, or, where nothing is masked, a head and the payload as it is. */
  #frame(kind: FrameKind, payload: Uint8Array, pieces: Uint8Array[]): void {
    const { byteLength } = payload;
    const headBytes = ownHeadBytes(byteLength, this.#role);
    const masked = this.#role === 'client';
    const copied = masked || byteLength <= COPY_MAX_BYTES;
    const frame = Buffer.allocUnsafe(headBytes + (copied ? byteLength : 0));
    writeFrameHead(frame, kind, byteLength, this.#role);
    pieces.push(frame);
    if (!copied) {
      pieces.push(payload);
      return;
    }
    frame.set(payload, headBytes);
    if (masked) applyMask(frame.subarray(headBytes), frame.subarray(headBytes - 4, headBytes), 0);
  }
}

function badFrame(): TransportFault {
  const text = 'a WebSocket frame is malformed, too long or not binary, or empty too often';
  return new TransportFault('bad_record', text);
}
