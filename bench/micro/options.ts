// The command line, checked once.

import { parseArgs } from 'node:util';
import type { Suite } from './suite.ts';

export interface Options {
  /** Names of suites or prefixes of them; empty means all. */
  readonly only: readonly string[];
  /** How long each task is timed. */
  readonly seconds: number;
  /** Where the figures are written to as JSON. */
  readonly json: string | undefined;
}

const SECONDS = 0.7;
const SECONDS_MIN = 0.05;
const SECONDS_MAX = 10;

export const HELP: string = `usage: npm run bench:micro -- [--only NAME[,NAME]] [--seconds S] [--json FILE] [--list]
  --only       suites by name or prefix: codec, config, noise, relay; --list names all
  --seconds S  how long each task is timed, default ${SECONDS}
  --json FILE  writes the figures to a file, too
  --list       names the suites
Every result is checked first. Where one is wrong, nothing is timed and the exit code is 1.
Tables show the median of one operation, the margin of error of its mean at 95 % confidence, and
its time in relation to that of the first line. Pure code is timed by tinybench, engines against
each other by benchmark.js, where \`=\` says that its test finds no difference. A sample is a batch
of operations: p75 and p99 are not those of single ones.
`;

/**
 * Reads the command line.
 *
 * @throws Error on an unknown flag or a number out of range.
 */
export function readOptions(args: readonly string[]): Options | 'help' | 'list' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: '' },
      seconds: { type: 'string', default: String(SECONDS) },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  const seconds = Number(values.seconds);
  if (!(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX)) {
    throw new Error(`--seconds must be ${SECONDS_MIN} to ${SECONDS_MAX}, not ${values.seconds}`);
  }
  const only = values.only.split(',').filter((word) => word !== '');
  return { only, seconds, json: values.json };
}

/** @throws Error for a word that picks none. */
export function selectSuites(suites: readonly Suite[], only: readonly string[]): readonly Suite[] {
  const picks = (word: string, { name }: Suite): boolean => name.startsWith(word);
  const unknown = only.find((word) => !suites.some((suite) => picks(word, suite)));
  if (unknown !== undefined) {
    const known = suites.map(({ name }) => name).join(', ');
    throw new Error(`--only: no suite is called ${unknown}; there are ${known}`);
  }
  return only.length === 0
    ? suites
    : suites.filter((suite) => only.some((word) => picks(word, suite)));
}
