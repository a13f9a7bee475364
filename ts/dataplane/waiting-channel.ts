/**
 * A client's data channel that waits for its start command, hours if need be. It is read all the
 * time, so that its end is noticed.
 */
import type { EndReason } from '../engine/reason.ts';
import type { ClientRoutine, ReuseRules } from '../engine/spec.ts';
import type { Link } from './link.ts';
import { channelReason } from './link-end.ts';
import { RefusedError } from './transport/codec.ts';

export interface WaitingChannelOptions {
  readonly routine: ClientRoutine;
  /** How the peer reuses channels; undefined: it does not, or not those of this service. */
  readonly reuse: ReuseRules | undefined;
  /** Put to use; `rest` is what came behind the command. Reading is stopped. */
  readonly started: (channel: WaitingChannel, rest: Uint8Array) => void;
  /** The same, to be used again and again. */
  readonly startedReuse: (channel: WaitingChannel, rest: Uint8Array) => void;
  /** `error`: more than the reason says. */
  readonly ended: (channel: WaitingChannel, reason: EndReason, error?: string) => void;
}

export class WaitingChannel {
  readonly link: Link;
  readonly #options: WaitingChannelOptions;
  #got: Buffer = Buffer.alloc(0);
  #done = false;

  constructor(link: Link, options: WaitingChannelOptions) {
    this.link = link;
    this.#options = options;
    link.setSink({
      data: (chunk) => this.#onData(chunk),
      end: () => this.end('channel_eof'),
      closed: (error) =>
        this.end(
          error === undefined
            ? 'channel_eof'
            : channelReason(error, 'channel_eof', 'stale_channel'),
          error instanceof RefusedError ? error.message : undefined,
        ),
    });
    link.write(options.routine.hello);
    link.resume();
  }

  end(reason: EndReason, error?: string): void {
    if (this.#done) return;
    this.#done = true;
    this.link.destroy();
    this.#options.ended(this, reason, error);
  }

  #onData(chunk: Uint8Array): boolean {
    const { routine, reuse, started, startedReuse } = this.#options;
    const { start, otherStart } = routine;
    this.#got = Buffer.concat([this.#got, chunk]);
    if (this.#got.length < start.length) return true;
    const command = this.#got.subarray(0, start.length);
    const isReuse = reuse !== undefined && command.equals(reuse.start);
    if (!isReuse && !command.equals(start)) {
      this.end(command.equals(otherStart) ? 'type_mismatch' : 'bad_start');
      return false;
    }
    this.#done = true;
    const rest = this.#got.subarray(start.length);
    if (isReuse) startedReuse(this, rest);
    else started(this, rest);
    return false;
  }
}
