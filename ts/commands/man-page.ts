/**
 * The man page warren(1), in mdoc, made of the definition of the command line. `docs/warren.1` is
 * what it makes; `.ci/man-page.mjs` writes that file.
 */
import {
  COMMANDS,
  type CommandDefinition,
  GLOBAL_OPTIONS,
  type OptionDefinition,
} from './definition.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { literal, optionSynopsis, optionTag, prose } from './mdoc.ts';
import { ABOUT, ENVIRONMENT, type Row, SIGNALS } from './usage.ts';

const DESCRIPTION = [
  'warren exposes services of a host behind a NAT through a server with a public address. The' +
    ' server runs on the public host, the client near the services. Each has a configuration file' +
    ' in TOML, in the form that rathole has, and its role follows from the section in it,' +
    ' `[server]` or `[client]`.',
  'Options may stand before the file and behind it. What follows `--` is a file, also when it' +
    ' looks like an option; a file that is called like a command is given as `./check`.',
];

const STREAMS =
  'The log goes to standard output. What ends the program early goes to standard error.';

const FILES: readonly Row[] = [
  ['/etc/warren/server.toml', 'what the unit `warren-server` runs'],
  ['/etc/warren/client.toml', 'what the unit `warren-client` runs'],
];

const EXAMPLES: readonly Row[] = [
  ['warren check server.toml', 'Look at what a file means before it is used:'],
  ['warren server.toml', 'Run it; the file has a section [server]:'],
  ['warren genkey --out noise', 'Make keys, the private one in a file of mode 0600:'],
  ['WARREN_LOG=debug warren --access-log client.toml', 'See what happens to each visitor:'],
  ['warren status', 'See which engine would run:'],
  ['eval "$(warren completion bash)"', 'Have command lines completed in this bash:'],
];

const SEE_ALSO =
  'The documentation is in the folder `docs` of the package, which is in the folder that `npm root' +
  ' --global` names: `configuration.md`, `command-line.md`, `logging.md`, `engines.md`,' +
  ' `reasons.md`. Units for systemd are in `examples`.';

/** `date` is the day of its last change, as mdoc has it: `November 23, 2026`. */
export function manPage(date: string): string {
  const lines = [
    '.\\" Made of ts/commands/definition.ts by "npm run docs:man": change that instead.',
    `.Dd ${date}`,
    '.Dt WARREN 1',
    '.Os warren',
    ...section('NAME', ['.Nm warren', `.Nd ${ABOUT}`]),
    ...section('SYNOPSIS', COMMANDS.flatMap(synopsis)),
    ...section('DESCRIPTION', paragraphs(DESCRIPTION)),
    ...section('COMMANDS', list(COMMANDS.map(commandItem))),
    ...section('OPTIONS', [
      ...prose('Every command understands these:'),
      ...options(GLOBAL_OPTIONS),
    ]),
    ...section('STREAMS', prose(STREAMS)),
    ...section('SIGNALS', list(SIGNALS.map((row) => item('Dv', row)))),
    ...section('ENVIRONMENT', list(ENVIRONMENT.map((row) => item('Ev', row)))),
    ...section('FILES', list(FILES.map((row) => item('Pa', row)))),
    ...section('EXIT STATUS', list(EXIT_CODES.map((row) => item('Li', row)))),
    ...section('EXAMPLES', EXAMPLES.flatMap(example)),
    ...section('SEE ALSO', ['.Xr ssh 1 ,', '.Xr systemd.service 5', '.Pp', ...prose(SEE_ALSO)]),
  ];
  return `${lines.join('\n')}\n`;
}

function section(name: string, lines: readonly string[]): string[] {
  return [`.Sh ${name}`, ...lines];
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => [...(index === 0 ? [] : ['.Pp']), ...prose(text)]);
}

function list(items: readonly (readonly string[])[]): string[] {
  return ['.Bl -tag -width Ds', ...items.flat(), '.El'];
}

function options(all: readonly OptionDefinition[]): string[] {
  return list(all.map((option) => [`.It ${optionTag(option)}`, ...optionAbout(option)]));
}

function optionAbout({ meaning, more, value }: OptionDefinition): string[] {
  const byDefault = value?.default === undefined ? [] : [`Default: ${value.default}.`];
  const further = [...(more === undefined ? [] : [more]), ...byDefault].join(' ');
  return about({ meaning, more: further === '' ? undefined : further });
}

function synopsis({ name, operand, options }: CommandDefinition): string[] {
  return [
    '.Nm',
    ...(name === '' ? [] : [`.Cm ${name}`]),
    ...options.flatMap((option) => optionSynopsis(option, options)),
    ...(operand === undefined ? [] : [`.Ar ${operand.name}`]),
  ];
}

function commandItem(command: CommandDefinition): string[] {
  const { name, operand } = command;
  const words = [
    name === '' ? 'Nm' : `Nm Cm ${name}`,
    ...(operand === undefined ? [] : [`Ar ${operand.name}`]),
  ];
  const own = command.options.length === 0 ? [] : options(command.options);
  return [`.It ${words.join(' ')}`, ...about(command), ...own];
}

/** Its meaning, and what else there is to say, as sentences. */
function about({
  meaning,
  more,
}: {
  readonly meaning: string;
  readonly more?: string | undefined;
}): string[] {
  const sentence = `${meaning.slice(0, 1).toUpperCase()}${meaning.slice(1)}.`;
  return prose(more === undefined ? sentence : `${sentence} ${more}`);
}

function item(macro: string, [name, meaning, more]: Row): string[] {
  const names = name.split(', ').map((each) => `${macro} ${literal(each)}`);
  return [`.It ${names.join(' , ')}`, ...about({ meaning, more })];
}

function example([command, purpose]: Row, index: number): string[] {
  return [...(index === 0 ? [] : ['.Pp']), ...prose(purpose), '.Pp', `.Dl ${literal(command)}`];
}
