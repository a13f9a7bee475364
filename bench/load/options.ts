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

export interface Options {
  readonly rounds: number;
  /** Length of every timed run; `--quick` takes the shorter one. */
  readonly seconds: number;
  /** The same over other transports than plain TCP: they are many, so `--quick` takes less. */
  readonly transportRounds: number;
  readonly transportSeconds: number;
  readonly quick: boolean;
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

const DEFAULT_ROUNDS = 5;
const QUICK_SECONDS = 0.6;
const QUICK_TRANSPORT_SECONDS = 0.4;
const QUICK_TRANSPORT_ROUNDS = 3;
const FULL_SECONDS = 2;
/** A busy machine may at most double a quick run. */
const QUICK_TRIES = 2;
const FULL_TRIES = 4;

export const HELP: string = `usage: node bench/dist/load/main.js [--quick] [--rounds N] [--seconds S]
          [--only ROW[,ROW]] [--transports NAME[,NAME]] [--peers NAME[,NAME]]
          [--peer NAME=CLI[,VARIABLE=VALUE]...]...
  --quick      short runs (${QUICK_SECONDS} s, over other transports than tcp ${QUICK_TRANSPORT_SECONDS} s,
               instead of ${FULL_SECONDS} s each)
  --rounds N   interleaved rounds, default ${DEFAULT_ROUNDS}; in a quick run ${QUICK_TRANSPORT_ROUNDS} over other transports than tcp
  --only       rows by name or prefix: bulk, bulk-up-1, pingpong, requests, visitors, visitors-32,
               paced-visitors, burst, slow, udp, idle, held; with a round trip of 20 ms between the
               ends visitors-32-20ms, first-byte-20ms; over another transport than tcp
               noise-bulk, tls-visitors-32, websocket-pingpong, noise-storm and so on
  --transports of ${TRANSPORTS.join(', ')}; --only may then leave
               out the transport: --transports tls,noise --only bulk; a quick run takes only
               some rows of noise-aesgcm, tls-rsa and tls-both unless it picks them
  --peers      of direct, warren (or rust, rust-v1, addon, typescript), rathole, frp, frp-mux,
               splice-relay, and for the round trip of 20 ms warren-rathole (the server is a
               warren) and rathole-warren
  --peer       one more peer: a build of warren (CLI is the path of its cli.js; empty for the usual
               one) with these environment variables, for instance
               --peer old=/tmp/old/dist/cli.js,WARREN_ENGINE=rust
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
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string', default: '' },
      transports: { type: 'string', default: '' },
      peers: { type: 'string', default: '' },
      peer: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1)) {
    throw new Error('--rounds must be at least 1');
  }
  const [seconds, transportSeconds] = values.quick
    ? [QUICK_SECONDS, QUICK_TRANSPORT_SECONDS]
    : [FULL_SECONDS, FULL_SECONDS];
  const given = values.seconds === undefined ? undefined : Number(values.seconds);
  if (given !== undefined && !(given >= 0.1 && given <= 60)) {
    throw new Error('--seconds must be 0.1 to 60');
  }
  return {
    rounds: rounds ?? DEFAULT_ROUNDS,
    transportRounds: rounds ?? (values.quick ? QUICK_TRANSPORT_ROUNDS : DEFAULT_ROUNDS),
    seconds: given ?? seconds,
    transportSeconds: given ?? transportSeconds,
    quick: values.quick,
    tries: values.quick ? QUICK_TRIES : FULL_TRIES,
    only: words(values.only),
    transports: words(values.transports).map(readTransport),
    peers: words(values.peers),
    variants: readVariants(values.peer),
  };
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
