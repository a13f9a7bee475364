/**
 * What a transport is to a link: a handshake that ends in a codec, and a codec that seals and opens
 * what the link below carries. Neither touches a socket, a clock or another connection.
 */
import type { EndReason } from '../../engine/reason.ts';

/** Why a handshake failed. The message is for a person: what was wrong, and what to do. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly reason: EndReason;

  constructor(reason: EndReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Why an established connection cannot go on. */
export class TransportFault extends Error {
  override readonly name = 'TransportFault';
  readonly reason: 'bad_record' | 'truncated';
  /**
   * Of `truncated`: only the goodbye of the transport was missing. That is how channels end that
   * carry no visitor (wire-v1 3.7).
   */
  readonly betweenRecords: boolean;

  constructor(reason: 'bad_record' | 'truncated', message: string, betweenRecords = false) {
    super(message);
    this.reason = reason;
    this.betweenRecords = betweenRecords;
  }
}

/** How far a handshake has come. What is in `out` is to be sent, also when it was refused. */
export type Step =
  /** The peer has to say more. */
  | { readonly state: 'wait'; readonly used: number; readonly out: readonly Uint8Array[] }
  /**
   * From here on the codec carries the connection, beginning with what was not used. Without a
   * codec it is plain bytes, and all that came was used: no server speaks before its client.
   */
  | {
      readonly state: 'done';
      readonly used: number;
      readonly out: readonly Uint8Array[];
      readonly codec: Codec | undefined;
    }
  | {
      readonly state: 'refused';
      readonly out: readonly Uint8Array[];
      readonly error: RefusedError;
    };

export interface Handshake {
  /** What a text calls it: `TLS`, `Noise`. */
  readonly name: string;
  /** What it most likely means when the peer closes meanwhile, as the end of a sentence. */
  readonly whenClosed?: string;
  /**
   * Goes on with what came. Called once with nothing, then whenever more has come. `came`: what was
   * received and not used; valid during the call. It refuses what would grow without bound.
   */
  advance(came: Buffer): Step;
}

/** What `open` found. */
export interface Opened {
  /** The plaintext, in order: memory of its own, or within the bytes that were given. */
  readonly plain: Uint8Array | undefined;
  /** The peer's end of its direction has come, in band. What is behind it means nothing. */
  readonly ended: boolean;
  /** What the transport itself has to answer: wire bytes, bounded however much came. */
  readonly reply: Uint8Array | undefined;
  /** What is wrong behind `plain`; nothing is opened after it. */
  readonly fault: TransportFault | undefined;
}

/** One connection's records or frames, both ways. */
export interface Codec {
  /** Seals plaintext (at least one byte), which stays as it is. The pieces leave in one write. */
  seal(plain: Uint8Array): readonly Uint8Array[];
  /**
   * Opens what was received, and keeps a copy of the beginning of a record whose end has not come.
   * May change `wire`.
   */
  open(wire: Buffer): Opened;
  /** FIN came. A fault where that is not how the peer ends its direction. */
  fin(): TransportFault | undefined;
  /**
   * Our direction ends: the goodbye (wire bytes, may be none), once. `last`: the peer's direction
   * has ended, or the connection ends now. `later`: this transport cannot end one direction alone:
   * to be called again with `last`.
   */
  finish(last: boolean): Uint8Array | 'later';
  /** Whether FIN follows our goodbye at once; else when the peer's direction has ended too. */
  readonly sendsFin: boolean;
}
