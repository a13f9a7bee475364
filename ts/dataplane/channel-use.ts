/**
 * The rules of a reusable data channel (docs/wire.md, sections 4 and 5) as a state machine without I/O:
 * which word may be said or come, what is still due, and when the channel is idle again.
 */
import type { Word } from './channel-words.ts';

/**
 * With no more payload towards the client a channel is free without a word more, and an ABORT finds
 * somebody who reads.
 */
export const SHORT_USE_BYTES = 65_536;

export type ChannelRole = 'server' | 'client';
/** `free`: both have said their last but for the client's FREE. */
export type UseState = 'idle' | 'busy' | 'free';
type WordKind = Word['kind'];

export class ChannelUse {
  readonly #role: ChannelRole;
  #state: UseState = 'idle';
  /** Terminal words of this use. */
  #own: 'end' | 'abort' | undefined;
  #peers: 'end' | 'abort' | undefined;
  #sent = 0;
  #received = 0;

  constructor(role: ChannelRole) {
    this.#role = role;
  }

  get state(): UseState {
    return this.#state;
  }

  /** Our direction of the use has ended. */
  get ownIsOut(): boolean {
    return this.#own !== undefined;
  }

  /** The peer's direction has ended, and that was handled. */
  get peersIsIn(): boolean {
    return this.#peers !== undefined;
  }

  /** We have to say FREE, as soon as all is delivered. */
  get owesFree(): boolean {
    return this.#role === 'client' && this.#state === 'free';
  }

  /** Whether ABORT may go in band while so many bytes are queued here. */
  mayAbort(queued: number): boolean {
    return this.#isOpen() && queued === 0 && this.#sent <= SHORT_USE_BYTES;
  }

  /**
   * Rule 4.5: so much payload is taken although nobody reads it here, and the words around it.
   * Undefined: nothing is.
   */
  get room(): number | undefined {
    return this.isShort && this.#own !== undefined ? SHORT_USE_BYTES - this.#received : undefined;
  }

  /** What comes may have to be kept by `room`, now or later. */
  get isShort(): boolean {
    return this.#role === 'client' && this.#received <= SHORT_USE_BYTES;
  }

  /** We say this word; `bytes` of payload with it. @throws Error when that is against the rules. */
  say(kind: Exclude<WordKind, 'bad'>, bytes = 0): void {
    if (!this.#maySay(kind)) throw new Error(`${this.#role}: ${kind} while ${this.#state}`);
    if (kind === 'start') this.#begin();
    else if (kind === 'free') this.#state = 'idle';
    else if (kind === 'data') this.#sent += bytes;
    else {
      this.#own = kind;
      this.#settle();
    }
  }

  /** This word came, or a piece of it. False: against the rules. */
  hear(kind: WordKind, bytes = 0): boolean {
    if (!this.#mayHear(kind)) return false;
    if (kind === 'start') this.#begin();
    else if (kind === 'free') this.#state = 'idle';
    else if (kind === 'data') this.#received += bytes;
    else if (kind !== 'bad') {
      this.#peers = kind;
      this.#settle();
    }
    return true;
  }

  #isOpen(): boolean {
    return this.#state === 'busy' && this.#own === undefined;
  }

  #maySay(kind: WordKind): boolean {
    if (kind === 'start') return this.#role === 'server' && this.#state === 'idle';
    if (kind === 'free') return this.owesFree;
    return this.#isOpen();
  }

  #mayHear(kind: WordKind): boolean {
    if (kind === 'start') return this.#role === 'client' && this.#state === 'idle';
    if (kind === 'free') return this.#role === 'server' && this.#state === 'free';
    return kind !== 'bad' && this.#state === 'busy' && this.#peers === undefined;
  }

  #begin(): void {
    this.#state = 'busy';
    this.#own = undefined;
    this.#peers = undefined;
    this.#sent = 0;
    this.#received = 0;
  }

  #settle(): void {
    if (this.#own === undefined || this.#peers === undefined) return;
    const toClient = this.#role === 'server' ? this.#sent : this.#received;
    const isPolite = this.#own === 'end' && this.#peers === 'end';
    this.#state = isPolite && toClient > SHORT_USE_BYTES ? 'free' : 'idle';
  }
}
