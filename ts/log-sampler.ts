/**
 * Keeps a scanner from flooding the log: of lines that tell the same (message, reason, service,
 * place of a fault) only the first few of a window are written; the rest is counted and told in one
 * line when the window ends.
 *
 * Messages are constants, reasons come from one table and services from the configuration, so no
 * stranger can make keys; the bound on them is for very long configurations, and for the mistake of
 * putting data into a key. Counts of events that stand for many (`count`) are added up.
 */
import type { Logger, LogLevel } from './log.ts';

const PASS_PER_WINDOW = 5;
const WINDOW_MS = 10_000;
/** Some hundred services, each with a few reasons. */
const KEYS_MAX = 1_024;
const OVERFLOW_KEY = 'other';
/** Fields that tell lines with the same message apart. */
const KEY_FIELDS = ['service', 'reason', 'where'] as const;

/** Calls `run` once after `ms`; the result cancels it. */
export type Schedule = (ms: number, run: () => void) => () => void;

export interface LogSamplerOptions {
  /** How many of one key pass in each window. */
  readonly pass?: number;
  readonly windowMs?: number;
  readonly keysMax?: number;
  readonly schedule?: Schedule;
}

interface Seen {
  readonly level: LogLevel;
  readonly message: string;
  /** Those of `KEY_FIELDS` that its lines have. */
  readonly fields: Readonly<Record<string, string>>;
  passed: number;
  held: number;
}

function scheduleTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
}

function keyFieldsOf(fields: object): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of KEY_FIELDS) {
    const value: unknown = Reflect.get(fields, name);
    if (typeof value === 'string') found[name] = value;
  }
  return found;
}

function countOf(fields: object): number {
  const value: unknown = Reflect.get(fields, 'count');
  return typeof value === 'number' ? value : 1;
}

/** A logger in front of a logger. One timer runs, and only while something was logged. */
export class LogSampler implements Logger {
  readonly #log: Logger;
  readonly #pass: number;
  readonly #windowMs: number;
  readonly #keysMax: number;
  readonly #schedule: Schedule;
  readonly #seen = new Map<string, Seen>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(log: Logger, options: LogSamplerOptions = {}) {
    this.#log = log;
    this.#pass = options.pass ?? PASS_PER_WINDOW;
    this.#windowMs = options.windowMs ?? WINDOW_MS;
    this.#keysMax = options.keysMax ?? KEYS_MAX;
    this.#schedule = options.schedule ?? scheduleTimer;
  }

  debug(fields: object, message: string): void {
    this.#sample('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#sample('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#sample('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#sample('error', fields, message);
  }

  /** Tells what was held back; afterwards everything passes. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#endWindow();
  }

  #sample(level: LogLevel, fields: object, message: string): void {
    if (this.#closed) {
      this.#log[level](fields, message);
      return;
    }
    const seen = this.#lookUp(level, fields, message);
    this.#cancel ??= this.#schedule(this.#windowMs, () => this.#endWindow());
    if (seen.passed < this.#pass) {
      seen.passed += 1;
      this.#log[level](fields, message);
    } else {
      seen.held += countOf(fields);
    }
  }

  #lookUp(level: LogLevel, fields: object, message: string): Seen {
    const keyFields = keyFieldsOf(fields);
    const key = JSON.stringify([level, message, keyFields]);
    const known = this.#seen.get(key);
    if (known !== undefined) return known;
    if (this.#seen.size < this.#keysMax) {
      return this.#add(key, { level, message, fields: keyFields, passed: 0, held: 0 });
    }
    const overflow = this.#seen.get(OVERFLOW_KEY);
    if (overflow !== undefined) return overflow;
    const none = { level, message: OVERFLOW_KEY, fields: {}, passed: 0, held: 0 };
    return this.#add(OVERFLOW_KEY, none);
  }

  #add(key: string, seen: Seen): Seen {
    this.#seen.set(key, seen);
    return seen;
  }

  #endWindow(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const windowSeconds = this.#windowMs / 1_000;
    for (const { level, message, fields, held } of this.#seen.values()) {
      if (held === 0) continue;
      this.#log[level]({ of: message, ...fields, count: held, windowSeconds }, 'more of the same');
    }
    this.#seen.clear();
  }
}
