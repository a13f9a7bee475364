/** How warren ends: the one table of exit codes. The help text and docs/command-line.md show it. */
import { type ErrorCode, WarrenError } from '../errors.ts';

export const EXIT_OK = 0;
export const EXIT_CONFIG = 1;
/** As of any program whose output is lost. */
export const EXIT_OUTPUT = 1;
const EXIT_USAGE = 2;
const EXIT_START = 3;
/** EX_SOFTWARE of sysexits.h. */
export const EXIT_INTERNAL = 70;
/** A shell's convention: 128 and the signal's number. */
export const EXIT_SIGNAL_BASE = 128;

/** Code and meaning, for people. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'ended as asked'],
  ['1', 'the configuration, its files or the engine cannot be used; or no output'],
  ['2', 'the command line cannot be used'],
  ['3', 'cannot start: the address cannot be had'],
  ['70', 'a fault in warren: please report it'],
  ['128+n', 'ended at once by a second signal n'],
];

const BY_ERROR: Readonly<Partial<Record<ErrorCode, number>>> = {
  WARREN_E_CONFIG: EXIT_CONFIG,
  WARREN_E_USAGE: EXIT_USAGE,
  WARREN_E_UNSUPPORTED: EXIT_CONFIG,
  WARREN_E_ENGINE: EXIT_CONFIG,
  WARREN_E_BIND: EXIT_START,
};

/** The exit code for whatever ended a command; what nobody foresaw is an internal fault. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof WarrenError)) return EXIT_INTERNAL;
  return BY_ERROR[error.code] ?? EXIT_INTERNAL;
}
