// The runner's command line, checked once.

import { parseArgs } from 'node:util';

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
  readonly quick: boolean;
  /** How often a run may be made until one is undisturbed by other programs. */
  readonly tries: number;
  /** Row names, or a prefix of them; empty means all. */
  readonly only: readonly string[];
  /** Peer names; empty means all. */
  readonly peers: readonly string[];
  readonly variants: readonly Variant[];
}

const DEFAULT_ROUNDS = 5;
const QUICK_SECONDS = 0.6;
const FULL_SECONDS = 2;
/** A busy machine may at most double a quick run. */
const QUICK_TRIES = 2;
const FULL_TRIES = 4;

export const HELP: string = `usage: node bench/dist/run.js [--quick] [--rounds N] [--seconds S]
          [--only ROW[,ROW]] [--peers NAME[,NAME]] [--peer NAME=CLI[,VARIABLE=VALUE]...]...
  --quick      short runs (${QUICK_SECONDS} s instead of ${FULL_SECONDS} s each)
  --rounds N   interleaved rounds, default ${DEFAULT_ROUNDS}
  --only       rows by name or prefix: bulk, bulk-up-1, pingpong, requests, visitors, visitors-32,
               paced-visitors, burst, slow, udp, idle, held
  --peers      of direct, warren (or rust, typescript), rathole, frp, splice-relay
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
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      seconds: { type: 'string' },
      only: { type: 'string', default: '' },
      peers: { type: 'string', default: '' },
      peer: { type: 'string', multiple: true, default: [] },
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
    variants: readVariants(values.peer),
  };
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
