// The guard's command line, checked once.

import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Options, readOptions } from '../load/options.ts';
import { selectRows } from '../load/rows/rows.ts';
import { fewestPairs } from './verdict.ts';
import { WATCHED } from './watched.ts';

export interface GuardOptions {
  /** Any revision that git knows. */
  readonly revision: string;
  /** A ratio may be worse by this fraction. */
  readonly tolerance: number;
  /** Row names, or a prefix of them; empty means those that are watched. */
  readonly only: readonly string[];
  /** What the runner of the benchmark is told. */
  readonly load: Options;
  /** Absolute. */
  readonly json: string | undefined;
}

const ROUNDS = 9;
const SECONDS = 0.7;
const TOLERANCE_PERCENT = 5;

export const HELP: string = `usage: npm run bench:guard -- COMMIT [--only ROW[,ROW]] [--rounds N] [--seconds S]
                [--tolerance PERCENT] [--json FILE]
       npm run bench:guard -- --clean
Compares warren as it is in the working tree with a copy of itself at COMMIT, any revision that git
knows: HEAD for what is not committed yet, HEAD~1, main, a tag, a hash. A regression is one that two
batches of rounds show.
  --only       rows by name or prefix, of those of \`npm run bench -- --list\`; default
               ${WATCHED.slice(0, 5).join(',')},
               ${WATCHED.slice(5).join(',')}
  --rounds N   interleaved rounds, default ${ROUNDS}; what looks worse is measured for so many more
  --seconds S  length of each timed run, default ${SECONDS}
  --tolerance  by how many percent a ratio may be worse, default ${TOLERANCE_PERCENT}
  --json FILE  writes every figure there
  --clean      removes all copies and what they were built with
exit code: 0 nothing regressed, 1 something did, 2 nothing was compared: wrong usage, an unknown
           commit, or one that cannot be built
environment: WARREN_CACHE is where copies are kept, default ~/.cache/warren
`;

/**
 * Reads the command line.
 *
 * @throws Error on an unknown flag, a number out of range, or without a commit.
 */
export function readGuardOptions(args: readonly string[]): GuardOptions | 'help' | 'clean' {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: String(ROUNDS) },
      seconds: { type: 'string', default: String(SECONDS) },
      tolerance: { type: 'string', default: String(TOLERANCE_PERCENT) },
      json: { type: 'string' },
      clean: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.clean) {
    if (positionals.length > 0) throw new Error('--clean goes without a commit');
    return 'clean';
  }
  const revision = readRevision(positionals);
  const { only, rounds, seconds, json } = values;
  const picked = only === '' ? [] : ['--only', only];
  const load = readOptions(['--rounds', rounds, '--seconds', seconds, ...picked]);
  if (typeof load === 'string') throw new Error('nothing to measure');
  // A wrong name is told before a copy is built for minutes.
  selectRows(load);
  if (load.rounds < fewestPairs()) {
    throw new Error(`--rounds must be at least ${fewestPairs()}: fewer cannot tell noise`);
  }
  return {
    revision,
    tolerance: readTolerance(values.tolerance),
    only: load.only,
    load,
    json: json === undefined ? undefined : readPath(json),
  };
}

function readRevision([revision, further]: readonly string[]): string {
  if (revision === undefined || revision === '') {
    throw new Error(
      'with which commit? HEAD for what is not committed yet, or HEAD~1, main, a tag, a hash: npm run bench:guard -- COMMIT',
    );
  }
  if (further !== undefined) throw new Error(`one commit, not also ${further}`);
  return revision;
}

function readTolerance(text: string): number {
  const percent = Number(text);
  if (text.trim() !== '' && percent >= 0 && percent <= 100) return percent / 100;
  throw new Error('--tolerance must be 0 to 100 percent');
}

/** Said before minutes of measuring, not after. */
function readPath(text: string): string {
  const path = resolve(text);
  if (text !== '' && existsSync(dirname(path))) return path;
  throw new Error(`--json ${text}: there is no folder ${dirname(path)}`);
}
