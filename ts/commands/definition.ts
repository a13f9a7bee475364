/**
 * What can be typed: every command and option, with its meaning. The one definition of the command
 * line: the parser, the help, the completions and the man page are made of it. It knows none of them.
 *
 * `meaning` is a phrase for one line of an 80 column terminal; `more` is what the man page says
 * behind it, in sentences, with names between backticks.
 */

/** What a shell offers for a value: files of that kind, one of these words, or nothing. */
export type Completes = 'config' | 'file' | 'nothing' | readonly string[];

/** What stands behind an option or a command. */
export interface Value {
  readonly name: string;
  readonly completes: Completes;
  readonly optional?: true;
  readonly default?: number;
}

export interface OptionDefinition {
  /** Without the dash. */
  readonly short?: string;
  /** Without the dashes. */
  readonly name: string;
  readonly meaning: string;
  readonly more?: string;
  /** An option without one is a flag. */
  readonly value?: Value;
  /** The option that cannot be given with this one. */
  readonly excludes?: string;
}

export interface CommandDefinition {
  /** Empty for the one that needs no name. */
  readonly name: string;
  readonly meaning: string;
  readonly more?: string;
  readonly operand?: Value;
  readonly options: readonly OptionDefinition[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const CONFIG: Value = { name: 'CONFIG', completes: 'config' };
const JSON_OPTION = { name: 'json', meaning: 'Print it as JSON' };

const HELP: OptionDefinition = {
  short: 'h',
  name: 'help',
  meaning: 'Print this help, or that of a command',
};

/** They are about the program: every command takes them, and only the program's help names them. */
export const PROGRAM_OPTIONS: readonly OptionDefinition[] = [
  { short: 'V', name: 'version', meaning: 'Print the version' },
  {
    name: 'verbose',
    meaning: 'With --version: engine, node and platform too',
    more: 'This is what a bug report needs.',
  },
];

/** Understood by every command. */
export const GLOBAL_OPTIONS: readonly OptionDefinition[] = [...PROGRAM_OPTIONS, HELP];

const RUN: CommandDefinition = {
  name: '',
  meaning: 'Run the role that the file has',
  more:
    'The process stays in the foreground and writes its log to standard output. It follows the' +
    ' file: services that are added, changed or removed while it runs are applied at once, and' +
    ' everything else goes on.',
  operand: CONFIG,
  options: [
    {
      short: 's',
      name: 'server',
      excludes: 'client',
      meaning: 'Run as server, where the file has both roles',
    },
    {
      short: 'c',
      name: 'client',
      excludes: 'server',
      meaning: 'Run as client, where the file has both roles',
    },
    { name: 'access-log', meaning: 'One log line per visitor connection' },
    {
      name: 'drain-timeout',
      value: { name: 'SECONDS', completes: 'nothing', default: 10 },
      meaning: 'How long visitors may take to finish',
      more: 'That is when the daemon stops; 0 aborts them at once.',
    },
    {
      name: 'genkey',
      value: { name: 'CURVE', completes: ['x25519'], optional: true },
      meaning: 'As rathole has it: print a key pair for noise',
      more: 'The same as the command `genkey`. The curve can only be `x25519`.',
    },
  ],
};

const CHECK: CommandDefinition = {
  name: 'check',
  meaning: 'Check the file and print what it means, secrets masked',
  more:
    'The configuration that is in effect, defaults included, goes to standard output as TOML;' +
    ' warnings and the verdict go to standard error. Every mistake is told at once, with its line.',
  operand: CONFIG,
  options: [
    {
      short: 's',
      name: 'server',
      excludes: 'client',
      meaning: 'Only the certificates of the server have to be on this host',
    },
    {
      short: 'c',
      name: 'client',
      excludes: 'server',
      meaning: 'Only those of the client',
    },
  ],
};

const GENKEY: CommandDefinition = {
  name: 'genkey',
  meaning: 'Make a key pair for the noise transport',
  more:
    'The private key is the `local_private_key` of this side, the public key the' +
    ' `remote_public_key` of the other.',
  options: [
    JSON_OPTION,
    {
      name: 'out',
      value: { name: 'PREFIX', completes: 'file' },
      meaning: 'Write PREFIX.key (mode 0600) and PREFIX.pub',
      more: 'The private key is not printed then. Files that are there are not overwritten.',
    },
    { name: 'force', meaning: 'With --out: overwrite files that are there' },
  ],
};

const STATUS: CommandDefinition = {
  name: 'status',
  meaning: 'Show which engine this installation would run, and why',
  more:
    'Every engine is listed with the file that it is made of, or with the reason why it cannot be' +
    ' used. It is about the installation, not about a daemon that is running, and ends with 1 where' +
    ' `WARREN_ENGINE` demands an engine that is not to be had.',
  options: [JSON_OPTION],
};

const COMPLETION: CommandDefinition = {
  name: 'completion',
  meaning: 'Print a script that completes command lines in a shell',
  more: 'It needs nothing but the shell: no process is started when it completes.',
  operand: { name: 'SHELL', completes: SHELLS },
  options: [],
};

const DEMO: CommandDefinition = {
  name: 'demo',
  meaning: 'Run a tunnel on this machine, end to end, and measure it',
  more:
    'A small service, a server and a client run as processes of their own on free ports of' +
    ' 127.0.0.1. Nothing of them is left behind.',
  options: [
    {
      name: 'size',
      value: { name: 'MIB', completes: 'nothing', default: 256 },
      meaning: 'MiB to transfer',
    },
  ],
};

/** The one without a name is the first. */
export const COMMANDS: readonly CommandDefinition[] = [
  RUN,
  CHECK,
  GENKEY,
  STATUS,
  COMPLETION,
  DEMO,
];

/** What may be asked of a command: its own options, and those that suit it of all commands'. */
export function listedOptions({ name, options }: CommandDefinition): OptionDefinition[] {
  return name === '' ? [...options, ...GLOBAL_OPTIONS] : [...options, HELP];
}

/** As help has it: `-s, --server`, `--out <PREFIX>`, `--genkey [CURVE]`. */
export function optionSyntax(option: OptionDefinition): string {
  const names = optionWords(option).join(', ');
  return option.value === undefined ? names : `${names} ${valueSyntax(option.value)}`;
}

/** `<CONFIG>` where it is needed, `[CURVE]` where it is not. */
export function valueSyntax({ name, optional }: Value): string {
  return optional === true ? `[${name}]` : `<${name}>`;
}

/** Its words on a command line, the short one first. */
export function optionWords({ short, name }: OptionDefinition): string[] {
  return short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`];
}
