/**
 * Dials the data channels that a server asks for: a bounded number at once, the rest in a bounded
 * queue (wire-v1 W14), each retried with short, growing, jittered pauses (W42).
 */
import { setMaxListeners } from 'node:events';
import { formatAddress } from '../config/address.ts';
import type { EndReason } from '../engine/reason.ts';
import type { DialSpec, SocketAddress } from '../engine/spec.ts';
import { errorText, WarrenError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { sleep } from '../sleep.ts';
import { dialTunnel } from './dial-tunnel.ts';
import type { Link } from './link.ts';
import type { OpenLinks } from './open-links.ts';

const FIRST_PAUSE_MS = 50;
const PAUSE_MAX_MS = 1_000;
/** Not a matter of time: somebody has to change a file. */
const FINAL_REASONS: ReadonlySet<string> = new Set(['certificate_refused', 'key_mismatch']);

export interface ChannelDialerOptions {
  readonly limits: Limits;
  readonly links: OpenLinks;
  readonly dial: DialSpec;
  /** Where the control channel is, or its proxy: the session key is known only there. */
  readonly first: SocketAddress;
  /** Of the service; undefined: as the transport. */
  readonly nodelay: () => boolean | undefined;
  readonly opened: (link: Link) => void;
  readonly failed: (reason: EndReason, error: string) => void;
}

export class ChannelDialer {
  readonly #options: ChannelDialerOptions;
  readonly #abort = new AbortController();
  #dial: DialSpec;
  #first: SocketAddress | undefined;
  #running = 0;
  /** When each dial that waits was requested, oldest first. */
  #waiting: number[] = [];

  constructor(options: ChannelDialerOptions) {
    this.#options = options;
    this.#dial = options.dial;
    this.#first = options.first;
    // Every dial and pause listens to it; their number is bounded by `dialsAtOnce`.
    setMaxListeners(0, this.#abort.signal);
  }

  /** Channels that are being dialled or wait to be. */
  get outstanding(): number {
    return this.#running + this.#waiting.length;
  }

  /** For dials from now on. */
  update(dial: DialSpec): void {
    if (targetOf(dial) !== targetOf(this.#dial)) this.#first = undefined;
    this.#dial = dial;
  }

  create(count: number): void {
    const { dialsWaiting } = this.#options.limits;
    const now = performance.now();
    for (let i = 0; i < count; i++) {
      if (this.#waiting.length < dialsWaiting) this.#waiting.push(now);
      else this.#options.failed('dial_limit', `more than ${dialsWaiting} channels are waiting`);
    }
    this.#next();
  }

  /** Gives up everything that is not open yet. */
  close(): void {
    this.#waiting = [];
    this.#abort.abort();
  }

  #next(): void {
    const { limits, failed } = this.#options;
    while (this.#running < limits.dialsAtOnce) {
      const requestedAt = this.#waiting.shift();
      if (requestedAt === undefined) return;
      const giveUpAt = requestedAt + limits.dialRetryMs;
      // By now the server has asked for another one.
      if (giveUpAt <= performance.now()) {
        failed('dial_failed', 'waited too long behind other dials');
        continue;
      }
      this.#running += 1;
      void this.#open(giveUpAt).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #open(giveUpAt: number): Promise<void> {
    const { opened, failed } = this.#options;
    const { signal } = this.#abort;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
      try {
        opened(await this.#dialOnce(giveUpAt - performance.now()));
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof WarrenError)) {
          failed('internal_error', errorText(error));
          return;
        }
        const jittered = pauseMs * (0.5 + Math.random());
        const final = FINAL_REASONS.has(error.reason ?? '');
        if (final || performance.now() + jittered >= giveUpAt) {
          // Of WARREN_E_TRANSPORT it is an end reason.
          failed((error.reason as EndReason | undefined) ?? 'dial_failed', errorText(error));
          return;
        }
        await sleep(jittered, signal);
        if (signal.aborted) return;
      }
    }
  }

  #dialOnce(leftMs: number): Promise<Link> {
    const { limits, links, nodelay } = this.#options;
    const dial = this.#dial;
    const options = {
      links,
      timeoutMs: Math.max(1, Math.min(limits.dialTimeoutMs, leftMs)),
      nodelay: nodelay() ?? dial.transport.tcp.nodelay,
      first: this.#first,
    };
    return dialTunnel(dial, options, this.#abort.signal);
  }
}

/** What TCP connects to. */
function targetOf({ proxy, remote }: DialSpec): string {
  return formatAddress(proxy?.address ?? remote);
}
