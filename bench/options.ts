// The runner's command line, checked once.

import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  /** Length of every timed run; `--quick` takes the shorter one. */
  readonly seconds: number;
  readonly quick: boolean;
  /** How often a run may be made until one is undisturbed by other programs. */
  readonly tries: number;
  /** Row names, or a prefix of them; empty means all. */
  readonly only: readonly string[];
  /** Peer names; empty means all. */
  readonly peers: readonly string[];
}

const DEFAULT_ROUNDS = 5;
const QUICK_SECONDS = 0.6;
const FULL_SECONDS = 2;
/** A busy machine may at most double a quick run. */
const QUICK_TRIES = 2;
const FULL_TRIES = 4;

export const HELP: string = `usage: node bench/dist/run.js [--quick] [--rounds N] [--seconds S]
                              [--only ROW[,ROW]] [--peers NAME[,NAME]]
  --quick      short runs (${QUICK_SECONDS} s instead of ${FULL_SECONDS} s each)
  --rounds N   interleaved rounds, default ${DEFAULT_ROUNDS}
  --only       rows by name or prefix: bulk, bulk-up-1, pingpong, requests, visitors, burst,
               slow, udp, idle, held
  --peers      of direct, warren, rathole, frp
environment: WARREN_RATHOLE, WARREN_FRPS, WARREN_FRPC name the peers' programs (else PATH),
             WARREN_CLI another build of warren than dist/cli.js
`;

/**
 * Reads the command line.
 *
 * @throws Error on an unknown flag or a number out of range.
 */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      seconds: { type: 'string' },
      only: { type: 'string', default: '' },
      peers: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds must be at least 1');
  const seconds = Number(values.seconds ?? (values.quick ? QUICK_SECONDS : FULL_SECONDS));
  if (!(seconds >= 0.1 && seconds <= 60)) throw new Error('--seconds must be 0.1 to 60');
  return {
    rounds,
    seconds,
    quick: values.quick,
    tries: values.quick ? QUICK_TRIES : FULL_TRIES,
    only: words(values.only),
    peers: words(values.peers),
  };
}

function words(list: string): string[] {
  return list.split(',').filter((word) => word !== '');
}
