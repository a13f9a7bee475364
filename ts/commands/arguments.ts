/**
 * The command line as a value. cac parses it and writes the help, from our definition; it is not
 * asked to run anything, because its own errors end neither with our texts nor with our exit codes.
 *
 * @throws WARREN_E_USAGE
 */
import { type CAC, cac } from 'cac';
import type { Role } from '../config/config.ts';
import { WarrenError } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { TIMER_MAX_MS } from '../timers.ts';
import {
  COMMANDS,
  GLOBAL_OPTIONS,
  optionSyntax,
  SHELLS,
  type Shell,
  valueSyntax,
} from './definition.ts';
import { helpSections } from './usage.ts';

export interface RunArguments {
  readonly verb: 'run';
  readonly file: string;
  readonly role: Role | undefined;
  readonly accessLog: boolean;
  readonly drainMs: number;
}

export interface CheckArguments {
  readonly verb: 'check';
  readonly file: string;
  /** The section whose certificates are on this host; undefined: those of each are. */
  readonly role: Role | undefined;
}

export interface DemoArguments {
  readonly verb: 'demo';
  readonly mebibytes: number;
}

export interface GenkeyArguments {
  readonly verb: 'genkey';
  readonly json: boolean;
  /** Beginning of the files' names; undefined: the keys are printed. */
  readonly out: string | undefined;
  readonly force: boolean;
}

export interface StatusArguments {
  readonly verb: 'status';
  readonly json: boolean;
}

export interface CompletionArguments {
  readonly verb: 'completion';
  readonly shell: Shell;
}

export type Arguments =
  | RunArguments
  | CheckArguments
  | DemoArguments
  | GenkeyArguments
  | StatusArguments
  | CompletionArguments
  | { readonly verb: 'version'; readonly verbose: boolean }
  | { readonly verb: 'help'; readonly print: () => void };

const MAX_DRAIN_SECONDS = Math.floor(TIMER_MAX_MS / 1_000);
const MAX_DEMO_MIB = 1_048_576;

/** Options as cac gives them: camel case, and whatever type the words looked like. */
interface Options {
  readonly help?: unknown;
  readonly version?: unknown;
  readonly verbose?: unknown;
  readonly genkey?: unknown;
  readonly json?: unknown;
  readonly out?: unknown;
  readonly force?: unknown;
  readonly server?: unknown;
  readonly client?: unknown;
  readonly accessLog?: unknown;
  readonly drainTimeout?: unknown;
  readonly size?: unknown;
  /** What followed a lone `--`. */
  readonly '--'?: unknown;
}

/** `argv` without the program and script names. */
export function parseArguments(argv: readonly string[]): Arguments {
  const cli = commandLine();
  cli.parse(['node', 'warren', ...explicitFlags(cli, argv)], { run: false });
  const options: Options = cli.options;
  if (isGiven(options.help)) return { verb: 'help', print: () => cli.outputHelp() };
  if (isGiven(options.version)) return { verb: 'version', verbose: isGiven(options.verbose) };
  checkOptions(cli);
  const words = positionals(cli, argv, options);
  if (options.genkey !== undefined) return oldGenkey(options.genkey, words);
  const out = outOption(options.out, argv);
  return toArguments(cli.matchedCommandName, { ...options, out }, words);
}

function commandLine(): CAC {
  const cli = cac('warren');
  for (const option of GLOBAL_OPTIONS) cli.option(optionSyntax(option), option.meaning);
  // What the help begins with; the option is ours.
  cli.globalCommand.versionNumber = packageVersion();
  cli.globalCommand.helpCallback = (sections) =>
    helpSections(
      sections,
      COMMANDS.find(({ name }) => name === cli.matchedCommandName),
    );
  for (const { name, operand, meaning, options } of COMMANDS) {
    const words = operand === undefined ? [name] : [name, valueSyntax(operand)];
    const command = cli.command(words.join(' ').trim(), meaning);
    const usage = [name, options.length === 0 ? '' : '[OPTIONS]', operand?.name ?? ''];
    command.usage(usage.filter((word) => word !== '').join(' '));
    for (const option of options) {
      const { value } = option;
      const config = value?.default === undefined ? {} : { default: value.default };
      command.option(optionSyntax(option), option.meaning, config);
    }
  }
  return cli;
}

/**
 * Every flag as `--flag=true`. cac's parser knows the flags of one command only, and those by their
 * camel-case names: `--access-log FILE` would take the file for the flag's value.
 */
function explicitFlags(cli: CAC, argv: readonly string[]): string[] {
  const explicit = new Map<string, string>();
  for (const { options } of [cli.globalCommand, ...cli.commands]) {
    for (const { rawName, name, isBoolean } of options) {
      if (isBoolean !== true) continue;
      for (const word of rawName.split(', ')) {
        explicit.set(word, word.startsWith('--') ? `--${name}=true` : `${word}=true`);
      }
    }
  }
  const behind = argv.indexOf('--');
  const end = behind < 0 ? argv.length : behind;
  return argv.map((word, index) => (index < end ? (explicit.get(word) ?? word) : word));
}

/** Unknown options and missing values, which cac finds, in our error. */
function checkOptions(cli: CAC): void {
  try {
    cli.matchedCommand?.checkUnknownOptions();
    cli.matchedCommand?.checkOptionValue();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw usageError(text.replaceAll('`', '').replace(/^[A-Z]/, (first) => first.toLowerCase()));
  }
}

/**
 * The arguments that are not options. cac turns `007` into 7 and leaves out what follows `--`: a
 * file name is what was typed.
 */
function positionals(cli: CAC, argv: readonly string[], options: Options): string[] {
  const typed = (value: unknown): string =>
    typeof value === 'number'
      ? (argv.find((word) => word !== '' && Number(word) === value) ?? String(value))
      : String(value);
  const behind: unknown = options['--'];
  const all: readonly unknown[] = [...cli.args, ...(Array.isArray(behind) ? behind : [])];
  return all.map(typed);
}

function toArguments(
  name: string | undefined,
  options: Options & Pick<GenkeyArguments, 'out'>,
  words: string[],
): Arguments {
  if (name === 'demo') {
    expectAtMost(0, words);
    return { verb: 'demo', mebibytes: numberOption('--size', options.size, 1, MAX_DEMO_MIB) };
  }
  if (name === 'genkey') {
    expectAtMost(0, words);
    const { out } = options;
    const force = isGiven(options.force);
    if (force && out === undefined) throw usageError('--force is for --out');
    return { verb: 'genkey', json: isGiven(options.json), out, force };
  }
  if (name === 'status') {
    expectAtMost(0, words);
    return { verb: 'status', json: isGiven(options.json) };
  }
  if (name === 'completion') {
    expectAtMost(1, words);
    return { verb: 'completion', shell: shellOf(words[0]) };
  }
  const file = words[0];
  if (file === undefined || file === '') throw usageError('no configuration file given');
  expectAtMost(1, words);
  if (name === 'check') return { verb: 'check', file, role: roleOption(options) };
  return {
    verb: 'run',
    file,
    role: roleOption(options),
    accessLog: isGiven(options.accessLog),
    drainMs: numberOption('--drain-timeout', options.drainTimeout, 0, MAX_DRAIN_SECONDS) * 1_000,
  };
}

function expectAtMost(count: number, words: readonly string[]): void {
  if (words.length > count) throw usageError(`unexpected argument: ${words[count]}`);
}

function shellOf(word: string | undefined): Shell {
  const shell = SHELLS.find((each) => each === word);
  if (shell !== undefined) return shell;
  throw usageError(`completion takes a shell: ${SHELLS.join(', ')}`);
}

function roleOption(options: Options): Role | undefined {
  const server = isGiven(options.server);
  const client = isGiven(options.client);
  if (server && client) throw usageError('--server and --client exclude each other: give one');
  if (server) return 'server';
  return client ? 'client' : undefined;
}

/** A flag that was given twice is an array. */
function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.some(isGiven) : value === true;
}

function numberOption(flag: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw usageError(`${flag} takes a number from ${min} to ${max}`);
}

/** rathole's flag. Its other curve cannot be made into a transport there either. */
function oldGenkey(curve: unknown, words: readonly string[]): GenkeyArguments {
  expectAtMost(0, words);
  if (curve === 'x448') {
    throw new WarrenError(
      'WARREN_E_UNSUPPORTED',
      'no transport has x448 keys: leave the curve out, or write x25519',
    );
  }
  if (curve !== true && curve !== 'x25519') throw usageError('--genkey takes x25519 or nothing');
  return { verb: 'genkey', json: false, out: undefined, force: false };
}

/** What was typed: cac makes numbers of `007` and of nothing. */
function outOption(value: unknown, argv: readonly string[]): string | undefined {
  if (value === undefined) return undefined;
  const flag = argv.findIndex((word) => word === '--out' || word.startsWith('--out='));
  const typed = argv[flag] === '--out' ? argv[flag + 1] : argv[flag]?.slice('--out='.length);
  const isOne = typeof value === 'string' || typeof value === 'number';
  if (isOne && typed !== undefined && typed !== '') return typed;
  throw usageError('--out takes the beginning of a file name');
}

function usageError(message: string): WarrenError {
  return new WarrenError('WARREN_E_USAGE', message);
}
