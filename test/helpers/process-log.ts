/** A logger for the library that keeps what it is told, for tests to wait for. */
import type { Logger } from '../../ts/log.ts';
import { until } from './process-resources.ts';

export interface Logged {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly msg: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class RecordingLog implements Logger {
  readonly entries: Logged[] = [];

  debug(fields: object, msg: string): void {
    this.#add('debug', fields, msg);
  }

  info(fields: object, msg: string): void {
    this.#add('info', fields, msg);
  }

  warn(fields: object, msg: string): void {
    this.#add('warn', fields, msg);
  }

  error(fields: object, msg: string): void {
    this.#add('error', fields, msg);
  }

  /** All entries of this message whose fields have these values. */
  all(msg: string, fields: Readonly<Record<string, unknown>> = {}): Logged[] {
    const wanted = Object.entries(fields);
    return this.entries.filter(
      (entry) => entry.msg === msg && wanted.every(([key, value]) => entry.fields[key] === value),
    );
  }

  /** The nth such entry, once it is there. */
  waitFor(
    msg: string,
    fields: Readonly<Record<string, unknown>> = {},
    nth: number = 1,
  ): Promise<Logged> {
    return until(`log "${msg}" ${JSON.stringify(fields)}`, () => this.all(msg, fields)[nth - 1]);
  }

  #add(level: Logged['level'], fields: object, msg: string): void {
    this.entries.push({ level, msg, fields: { ...fields } });
  }
}
