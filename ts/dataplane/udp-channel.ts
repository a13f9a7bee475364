/**
 * A data channel that carries datagrams: frames in both directions on a link. What the peer does
 * not take in time is dropped and counted, never waited for (wire-v1 W32).
 */
import type { EndReason } from '../engine/reason.ts';
import { encodeFrame, type UdpFrame, UdpFrameDecoder } from '../protocol/udp-frame.ts';
import type { Link } from './link.ts';
import { channelReason } from './link-end.ts';

export interface UdpChannelOptions {
  readonly backlogBytes: number;
  readonly onFrame: (frame: UdpFrame) => void;
  /** Once; also after `destroy`. */
  readonly onClosed: (reason: EndReason) => void;
}

export class UdpChannel {
  readonly #link: Link;
  readonly #options: UdpChannelOptions;
  readonly #decoder = new UdpFrameDecoder();
  #closed = false;
  #flush: NodeJS.Immediate | undefined;

  constructor(link: Link, options: UdpChannelOptions) {
    this.#link = link;
    this.#options = options;
    link.setSink({
      data: (chunk) => this.receive(chunk),
      end: () => this.destroy('channel_eof'),
      closed: (error) => this.#onClosed(channelReason(error, 'channel_eof', 'channel_reset')),
    });
    link.readLarge('whole');
    link.resume();
  }

  /** Bytes that came in the same read as the start command. */
  receive(chunk: Uint8Array): boolean {
    if (this.#closed) return false;
    if (!this.#decoder.push(chunk, this.#options.onFrame)) {
      this.destroy('bad_frame');
      return false;
    }
    return true;
  }

  /** Raw bytes ahead of the frames: the start command. */
  sendRaw(bytes: Uint8Array): void {
    this.#cork();
    this.#link.write(bytes);
  }

  /** False: dropped, the channel is backed up or gone. */
  send(prefix: Buffer, payload: Uint8Array): boolean {
    if (this.#closed || this.#link.backlog > this.#options.backlogBytes) return false;
    this.#cork();
    this.#link.write(encodeFrame(prefix, payload));
    return true;
  }

  destroy(reason: EndReason): void {
    this.#link.destroy();
    this.#onClosed(reason);
  }

  /** Datagrams of one turn go out in one write. */
  #cork(): void {
    if (this.#flush !== undefined) return;
    this.#link.cork();
    this.#flush = setImmediate(() => {
      this.#flush = undefined;
      this.#link.uncork();
    });
  }

  #onClosed(reason: EndReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClosed(reason);
  }
}
