/**
 * How long a client waits before it dials again. No clock and no timer: the caller says what
 * happened and for how long a session lived.
 *
 * Three schedules, each with 20 % jitter so that clients of one server do not come in step:
 * - failed: 0.5 s, three times as long each time, at most `retry_interval` (wire-v1 3.5);
 * - refused (unknown service, wrong token, wrong key or certificate): 1 s, for where both ends get
 *   a new configuration at once and the client reads its own first, then 5 s doubling to 60 s: asking
 *   again does not help (W16);
 * - short-lived sessions: from the third in a row on, as refused from 2 s. Two clients that take
 *   one service from each other slow down instead of flapping (W15). A session that the server
 *   drained is none of these: it restarts, and may have been here for a moment only.
 */

const FIRST_MS = 500;
const FACTOR = 3;
/** `retry_interval = 0` must not spin (W16). */
const FLOOR_MS = 100;
const REFUSED_ONCE_MS = 1_000;
const REFUSED_AGAIN_MS = 5_000;
const TAKEN_FIRST_MS = 2_000;
const LONG_MAX_MS = 60_000;
const JITTER = 0.2;
/** A session of at least this long starts the schedule over. */
const SETTLED_MS = 3_000;
const SHORT_SESSION_MS = 10_000;
const SHORT_SESSIONS_FREE = 2;

export type AttemptEnd =
  | { readonly kind: 'failed' }
  | { readonly kind: 'refused' }
  /** `drained`: the server stops, and said so. */
  | { readonly kind: 'session' | 'drained'; readonly livedMs: number };

export class Backoff {
  readonly #random: () => number;
  #capMs: number;
  #failures = 0;
  #refusals = 0;
  #shortSessions = 0;

  /** `capMs`: retry_interval. `random` gives [0, 1). */
  constructor(capMs: number, random: () => number = Math.random) {
    this.#capMs = capMs;
    this.#random = random;
  }

  /** A changed retry_interval; the schedule goes on from where it is. */
  set capMs(capMs: number) {
    this.#capMs = capMs;
  }

  /** Milliseconds to wait after an attempt that ended so. */
  next(end: AttemptEnd): number {
    switch (end.kind) {
      case 'failed':
        return this.#failed();
      case 'refused':
        this.#refusals += 1;
        return this.#jittered(
          this.#refusals === 1 ? REFUSED_ONCE_MS : longDelay(REFUSED_AGAIN_MS, this.#refusals - 1),
        );
      case 'session':
      case 'drained':
        return this.#sessionEnded(end.livedMs, end.kind === 'drained');
    }
  }

  #sessionEnded(livedMs: number, isDrained: boolean): number {
    this.#refusals = 0;
    if (livedMs >= SETTLED_MS) this.#failures = 0;
    const isShort = livedMs < SHORT_SESSION_MS && !isDrained;
    this.#shortSessions = isShort ? this.#shortSessions + 1 : 0;
    const excess = this.#shortSessions - SHORT_SESSIONS_FREE;
    return excess > 0 ? this.#jittered(longDelay(TAKEN_FIRST_MS, excess)) : this.#failed();
  }

  #failed(): number {
    const grown = FIRST_MS * FACTOR ** Math.min(this.#failures, 20);
    this.#failures += 1;
    return this.#jittered(Math.max(FLOOR_MS, Math.min(grown, this.#capMs)));
  }

  #jittered(ms: number): number {
    return ms * (1 - JITTER + 2 * JITTER * this.#random());
  }
}

function longDelay(firstMs: number, nth: number): number {
  return Math.min(firstMs * 2 ** Math.min(nth - 1, 20), LONG_MAX_MS);
}
