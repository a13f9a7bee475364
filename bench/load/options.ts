// The runner's command line, checked once.

import { parseArgs } from 'node:util';
import { TRANSPORTS, type TransportName } from './peers/transport.ts';

/** A further build of warren, or other settings for it. */
export interface Variant {
  readonly name: string;
  /** Empty for the build that the other peers of warren use. */
  readonly cli: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * How much is measured: `quick` is a look of about three minutes, `usual` the whole comparison,
 * `full` every row over every transport in longer runs.
 */
export type Level = 'quick' | 'usual' | 'full';

const LEVELS: readonly Level[] = ['quick', 'usual', 'full'];

/** Whether what takes part from one level on takes part at another. */
export function reaches(level: Level, from: Level): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(from);
}

export interface Options {
  readonly level: Level;
  readonly rounds: number;
  /** Length of every timed run. */
  readonly seconds: number;
  /** Rounds of the rows about memory, which rest before they start. */
  readonly memoryRounds: number;
  /** The same over other transports than plain TCP. */
  readonly transportRounds: number;
  readonly transportSeconds: number;
  /** How often a run may be made until one is undisturbed by other programs. */
  readonly tries: number;
  /** Row names, or a prefix of them; empty means all. */
  readonly only: readonly string[];
  /** Empty means all. */
  readonly transports: readonly TransportName[];
  /** Peer names; empty means all. */
  readonly peers: readonly string[];
  readonly variants: readonly Variant[];
}

interface Extent {
  readonly rounds: number;
  readonly seconds: number;
  readonly memoryRounds: number;
  readonly transportRounds: number;
  readonly transportSeconds: number;
  readonly tries: number;
}

const EXTENTS: Readonly<Record<Level, Extent>> = {
  quick: {
    rounds: 5,
    seconds: 0.3,
    memoryRounds: 1,
    transportRounds: 5,
    transportSeconds: 0.3,
    tries: 1,
  },
  usual: {
    rounds: 5,
    seconds: 0.7,
    memoryRounds: 5,
    transportRounds: 5,
    transportSeconds: 0.5,
    tries: 1,
  },
  full: {
    rounds: 7,
    seconds: 2,
    memoryRounds: 5,
    transportRounds: 5,
    transportSeconds: 1,
    tries: 4,
  },
};

export const HELP: string = `usage: node bench/dist/load/main.js [--quick | --full] [--list] [--rounds N] [--seconds S]
          [--only ROW[,ROW]] [--transports NAME[,NAME]] [--peers NAME[,NAME]]
          [--peer NAME=CLI[,VARIABLE=VALUE]...]...
  --quick      a look of about three minutes: the main rows in short runs
  --full       every row over every transport, ${EXTENTS.full.rounds} rounds, runs of ${EXTENTS.full.seconds} s; hours
  --rounds N   interleaved rounds, default ${EXTENTS.usual.rounds}
  --seconds S  length of each timed run, default ${EXTENTS.usual.seconds}
  --only       rows by name or prefix: bulk, bulk-up-1, visitors-32, udp, held; with a round trip of
               20 ms between the ends visitors-32-20ms, first-byte-20ms; over another transport than
               tcp noise-bulk, tls-visitors-32 and so on; --list names all
  --transports of ${TRANSPORTS.join(', ')}; --only may then leave
               out the transport: --transports tls,noise --only bulk
  --peers      of direct, warren (or rust, rust-v1, addon, typescript), rathole, frp, frp-mux,
               splice-relay, nginx and haproxy, which are plain relays, and for the round trip of
               20 ms warren-rathole (the server is a warren) and rathole-warren
  --peer       one more peer: a build of warren (CLI is the path of its cli.js; empty for the usual
               one) with these environment variables, for instance
               --peer old=/tmp/old/dist/cli.js,WARREN_ENGINE=rust
environment: WARREN_RATHOLE, WARREN_FRPS, WARREN_FRPC, WARREN_NGINX, WARREN_HAPROXY name the peers'
             programs (else PATH), WARREN_CLI another build of warren than dist/cli.js
`;

/** More are weeks. */
const MOST_ROUNDS = 1000;

/**
 * Reads the command line.
 *
 * @throws Error on an unknown flag or a number out of range.
 */
export function readOptions(args: readonly string[]): Options | 'help' | 'list' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      transports: { type: 'string' },
      peers: { type: 'string' },
      peer: { type: 'string', multiple: true, default: [] },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= MOST_ROUNDS)) {
    throw new Error(`--rounds must be 1 to ${MOST_ROUNDS}`);
  }
  if (values.quick && values.full) throw new Error('--quick or --full, not both');
  const level: Level = values.quick ? 'quick' : values.full ? 'full' : 'usual';
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  if (seconds !== undefined && !(seconds >= 0.1 && seconds <= 60)) {
    throw new Error('--seconds must be 0.1 to 60');
  }
  const extent = EXTENTS[level];
  return {
    level,
    rounds: rounds ?? extent.rounds,
    memoryRounds: rounds ?? extent.memoryRounds,
    transportRounds: rounds ?? extent.transportRounds,
    seconds: seconds ?? extent.seconds,
    transportSeconds: seconds ?? extent.transportSeconds,
    tries: extent.tries,
    only: picked('--only', values.only),
    transports: picked('--transports', values.transports).map(readTransport),
    peers: picked('--peers', values.peers),
    variants: readVariants(values.peer),
  };
}

/** Nothing where the flag was not given. A list that is empty by mistake must not pick everything. */
function picked(flag: string, list: string | undefined): string[] {
  if (list === undefined) return [];
  const names = words(list);
  if (names.length === 0) throw new Error(`${flag} names nothing; leave it out for all`);
  return names;
}

function readTransport(word: string): TransportName {
  const name = TRANSPORTS.find((known) => known === word);
  if (name === undefined) {
    throw new Error(`unknown transport ${word}; known: ${TRANSPORTS.join(', ')}`);
  }
  return name;
}

/** @throws Error for one without a name, and for two of one name. */
export function readVariants(texts: readonly string[]): Variant[] {
  const variants = texts.map(readVariant);
  const names = variants.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`--peer: two are named ${twice}`);
  return variants;
}

function readVariant(text: string): Variant {
  const [head = '', ...settings] = text.split(',');
  const [name, cli] = split(head);
  if (name === '' || cli === undefined) throw new Error(`--peer NAME=CLI, not ${text}`);
  const env = settings.map((setting): [string, string] => {
    const [variable, value] = split(setting);
    if (variable === '' || value === undefined) {
      throw new Error(`--peer ${name}: VARIABLE=VALUE, not ${setting}`);
    }
    return [variable, value];
  });
  return { name, cli, env: Object.fromEntries(env) };
}

/** Before and after the first `=`. */
function split(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

export function words(list: string): string[] {
  return list.split(',').filter((word) => word !== '');
}
