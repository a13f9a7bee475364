/**
 * Watches how many file descriptors are left. libuv answers EMFILE by accepting and closing at
 * once, without a word; to be neither silent nor locked out, visitors are refused a little earlier,
 * with a reason, and the rest is kept for control and data channels and for files.
 *
 * The system hands out the lowest free number, so the number of a fresh descriptor tells how many
 * are in use. Linux only; elsewhere nothing is refused.
 */
import { readFileSync } from 'node:fs';

const RESERVE_SHARE = 0.05;
const RESERVE_MIN = 16;

/** The soft limit of open files, which Node has raised to the hard one; Infinity where unknown. */
function openFilesLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export class Descriptors {
  readonly #limit: number;
  readonly #visitorsUpTo: number;

  /** Infinity: not known. */
  constructor(limit: number = openFilesLimit()) {
    this.#limit = limit;
    this.#visitorsUpTo = Number.isFinite(limit)
      ? limit - Math.max(RESERVE_MIN, limit * RESERVE_SHARE)
      : limit;
  }

  /** Whether a visitor's fresh descriptor eats into the reserve; -1 is an unknown number. */
  isShort(descriptor: number): boolean {
    return descriptor >= this.#visitorsUpTo;
  }

  /**
   * Sockets of UDP sessions that may be open at once, all services together: half of what there is.
   * A flood on a udp service must leave room for everything else.
   */
  get udpSockets(): number {
    return Math.floor(this.#visitorsUpTo / 2);
  }

  get text(): string {
    return `nearly all of ${this.#limit} file descriptors are in use (EMFILE is near)`;
  }
}
