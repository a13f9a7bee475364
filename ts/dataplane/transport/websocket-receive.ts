/**
 * What the peer sends: frames, taken apart as they come. Nothing waits for a whole frame; a frame
 * of 16 MiB needs no more memory than a small one.
 */
import { Silence } from './silence.ts';
import {
  FRAME_HEAD_MAX_BYTES,
  type FrameHead,
  frameHeadBytes,
  readFrameHead,
  type WebsocketRole,
} from './websocket-frame-head.ts';
import { applyMask } from './websocket-mask.ts';

/** Frames without payload for us: empty ones and those of control. */
const SILENT_FRAMES_MAX = 256;

/** A frame whose payload is coming. */
interface Coming {
  readonly head: FrameHead;
  have: number;
  /** Of a ping: its payload, unmasked. */
  readonly payload: Buffer | undefined;
}

/** What was in a piece. */
export interface Received {
  /** All payload of binary frames, in one piece; empty where there was none. */
  readonly plain: Buffer;
  /** The payload of the last ping that ended in it. */
  readonly ping: Buffer | undefined;
}

export class Receiver {
  readonly #role: WebsocketRole;
  readonly #silence = new Silence(SILENT_FRAMES_MAX);
  /** The beginning of a head whose end has not come. */
  #head: Buffer | undefined;
  #coming: Coming | undefined;
  #inMessage = false;
  #state: 'open' | 'ended' | 'failed' = 'open';
  #ping: Buffer | undefined;

  constructor(role: WebsocketRole) {
    this.#role = role;
  }

  /** `ended`: Close has come. `failed`: a frame that cannot be, or too many without payload. */
  get state(): 'open' | 'ended' | 'failed' {
    return this.#state;
  }

  get betweenFrames(): boolean {
    return this.#coming === undefined && this.#head === undefined;
  }

  /** Moves all payload in `wire` together, unmasked. */
  receive(wire: Buffer): Received {
    this.#ping = undefined;
    this.#silence.giveBack();
    // The first payload stays where it is; later ones move up to it.
    let start = 0;
    let end = 0;
    let at = 0;
    while (at < wire.length && this.#state === 'open') {
      const frame = this.#coming;
      if (frame === undefined) {
        at += this.#takeHead(wire.subarray(at));
        continue;
      }
      const piece = wire.subarray(at, at + frame.head.length - frame.have);
      at += piece.length;
      if (frame.head.mask !== undefined) applyMask(piece, frame.head.mask, frame.have & 3);
      frame.payload?.set(piece, frame.have);
      if (frame.head.kind === 'binary' || frame.head.kind === 'continuation') {
        if (start === end) start = end = at - piece.length;
        else if (end !== at - piece.length) wire.set(piece, end);
        end += piece.length;
      }
      frame.have += piece.length;
      this.#settle(frame);
    }
    return { plain: wire.subarray(start, end), ping: this.#ping };
  }

  /** How much of `bytes` belongs to the head of the next frame. */
  #takeHead(bytes: Buffer): number {
    const kept = this.#head;
    const all =
      kept === undefined ? bytes : Buffer.concat([kept, bytes.subarray(0, FRAME_HEAD_MAX_BYTES)]);
    const length = frameHeadBytes(all);
    if (all.length < length) {
      this.#head = Buffer.from(all);
      return bytes.length;
    }
    this.#head = undefined;
    const head = readFrameHead(all.subarray(0, length), this.#role);
    if (head === undefined || !this.#fits(head)) {
      this.#state = 'failed';
    } else {
      const payload = head.kind === 'ping' ? Buffer.alloc(head.length) : undefined;
      this.#coming = { head, have: 0, payload };
      this.#settle(this.#coming);
    }
    return length - (kept?.length ?? 0);
  }

  /** Whether a frame of that kind may come here. */
  #fits({ kind, last }: FrameHead): boolean {
    if (kind !== 'binary' && kind !== 'continuation') return true;
    if (this.#inMessage !== (kind === 'continuation')) return false;
    this.#inMessage = !last;
    return true;
  }

  /** Whether its last byte has come. */
  #settle({ head, have, payload }: Coming): void {
    if (have < head.length) return;
    this.#coming = undefined;
    if (head.kind === 'ping') this.#ping = payload;
    if (head.kind === 'close') this.#state = 'ended';
    else if (isPayload(head)) this.#silence.giveBack();
    else if (!this.#silence.spend(1)) this.#state = 'failed';
  }
}

function isPayload({ kind, length }: FrameHead): boolean {
  return length > 0 && (kind === 'binary' || kind === 'continuation');
}
