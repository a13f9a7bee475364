/**
 * One end of a byte path: what the relay, the control stream and the UDP framing see of a
 * connection, whatever transport carries it. A link knows nothing of services and sessions.
 */
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';

/** Who reads a link. Exactly one sink at a time; `closed` comes once, last. */
export interface LinkSink {
  /**
   * Bytes came. They stay valid until `true` is returned, or, after `false`, until `resume` is
   * called on the link. `false` stops reading: that is the back-pressure. (A `resume` inside the
   * call wins: that is how a sink hands over to another.)
   */
  data(chunk: Uint8Array): boolean;
  /** The peer's FIN: no more data. */
  end(): void;
  /** The connection is gone; `error` when it did not end by FIN both ways. */
  closed(error: Error | undefined): void;
}

/** Of a link that nobody reads. */
export const NO_SINK: LinkSink = { data: () => false, end() {}, closed() {} };

export type ReadUse = 'cautious' | 'whole' | 'reused';

export interface Link {
  readonly peer: SocketAddress;
  /** The peer's FIN has been read. */
  readonly ended: boolean;
  readonly closed: boolean;
  /** Bytes that were written here and are not with the system yet. */
  readonly backlog: number;
  /** Replaces the sink; reading goes on as it was. */
  setSink(sink: LinkSink): void;
  /** Starts or goes on reading. */
  resume(): void;
  pause(): void;
  /**
   * Writes. True: the system has taken it all. False: it is queued, the bytes must stay unchanged,
   * and `onDrained` is called once when the queue is empty.
   */
  write(chunk: Uint8Array): boolean;
  onDrained: (() => void) | undefined;
  /** Holds writes back until `uncork`, so that several go out as one. */
  cork(): void;
  uncork(): void;
  /** FIN, behind everything written. */
  end(): void;
  /** Gone as soon as everything written and the FIN are with the system. `reason`: as of `abort`. */
  endSoon(reason?: EndReason): void;
  /**
   * Of a link below another one: in band the peer has ended its direction. From now on its end here
   * is one, however it comes.
   */
  peerIsDone?(): void;
  /** RST, now. `reason`: told to the peer by a link that can. */
  abort(reason?: EndReason): void;
  /** Gone now; FIN where the system sends one. */
  destroy(): void;
  setNoDelay(on: boolean): void;
  /**
   * Until it is called a read brings at most 8 KiB. `whole`: up to 64 KiB, each chunk memory of its
   * own. `reused`: the sink promises to keep the lifetime rule of `data` exactly, so that bulk may
   * be read into a buffer that is used again. `cautious`: as before it was called.
   */
  readLarge(use: ReadUse): void;
}
