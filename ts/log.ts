/**
 * The logger: structured lines on standard output, as rathole has them there. The message is a
 * constant, data is in fields, secrets are in their mask type before they come here.
 *
 * Level and form come from the environment (`docs/logging.md`); nothing here is global.
 */
import { pino } from 'pino';
import { LogOutput } from './log-output.ts';
import { prettyLine, safeJsonLine } from './log-pretty.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What warren needs of a logger. pino satisfies it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Logs nothing: the default of the library. */
export const SILENT_LOGGER: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** The words that a level variable may hold, as people write them, and pino's name of each. */
const LEVELS: ReadonlyMap<string, string> = new Map([
  ['error', 'error'],
  ['warn', 'warn'],
  ['info', 'info'],
  ['debug', 'debug'],
  ['trace', 'trace'],
  ['off', 'silent'],
]);
const LEVEL_VARIABLES = ['WARREN_LOG', 'RUST_LOG'] as const;
const DEFAULT_LEVEL = 'info';

export type LogFormat = 'pretty' | 'json';

/** The variables that the log reads; `process.env` is one. */
export interface LogEnvironment {
  readonly WARREN_LOG?: string | undefined;
  readonly RUST_LOG?: string | undefined;
  readonly WARREN_LOG_FORMAT?: string | undefined;
  readonly NO_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

/** A variable that was set to something that is not understood. */
interface Ignored {
  readonly variable: string;
  readonly value: string;
  readonly understood: string;
}

export interface LogSettings {
  readonly level: string;
  readonly format: LogFormat;
  readonly colour: boolean;
  readonly ignored: readonly Ignored[];
}

/** Level and form of the log, from the environment and whether a person is looking. */
export function logSettings(env: LogEnvironment, isTerminal: boolean): LogSettings {
  const ignored: Ignored[] = [];
  const level = chooseLevel(env, ignored);
  const format = chooseFormat(env, isTerminal, ignored);
  const colour = isTerminal && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  return { level, format, colour, ignored };
}

function chooseLevel(env: LogEnvironment, ignored: Ignored[]): string {
  for (const variable of LEVEL_VARIABLES) {
    const value = env[variable]?.trim() ?? '';
    if (value === '') continue;
    const level = LEVELS.get(value.toLowerCase());
    if (level !== undefined) return level;
    ignored.push({ variable, value, understood: [...LEVELS.keys()].join(' ') });
  }
  return DEFAULT_LEVEL;
}

function chooseFormat(env: LogEnvironment, isTerminal: boolean, ignored: Ignored[]): LogFormat {
  const value = env.WARREN_LOG_FORMAT?.trim().toLowerCase() ?? '';
  if (value === 'pretty' || value === 'json') return value;
  if (value !== '') {
    ignored.push({ variable: 'WARREN_LOG_FORMAT', value, understood: 'pretty json' });
  }
  return isTerminal ? 'pretty' : 'json';
}

/** A logger with an end. */
export interface Log extends Logger {
  readonly format: LogFormat;
  /** Resolves with true when all lines are with the system, with false at the deadline. */
  flush(deadlineMs: number): Promise<boolean>;
}

export interface OpenLogOptions {
  readonly env: LogEnvironment;
  readonly fd: number;
  readonly isTerminal: boolean;
}

/** Opens the daemon's log. What it did not understand of the environment is its first line. */
export function openLog({ env, fd, isTerminal }: OpenLogOptions): Log {
  const { level, format, colour, ignored } = logSettings(env, isTerminal);
  const form = format === 'pretty' ? (line: string) => prettyLine(line, colour) : safeJsonLine;
  const output = new LogOutput(fd, { lostLine: (count) => form(lostRecord(count)) });
  const logger = pino(
    {
      level,
      // One daemon, one log: process id and host name are known to whoever collects it.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => output.write(form(line)) },
  );
  for (const fields of ignored) logger.warn(fields, 'environment variable ignored');
  return {
    format,
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    flush: (deadlineMs) => output.flush(deadlineMs),
  };
}

function lostRecord(count: number): string {
  const time = new Date().toISOString();
  return JSON.stringify({ level: 'warn', time, count, msg: 'log lines lost' });
}
