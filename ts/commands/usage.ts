/** What `--help` and the man page say beyond commands and options. */
import { type CommandDefinition, optionSyntax, PROGRAM_OPTIONS } from './definition.ts';
import { EXIT_CODES } from './exit-codes.ts';

export interface HelpSection {
  title?: string;
  body: string;
}

/** `more` is what the man page says behind the meaning, as in `definition.ts`. */
export type Row = readonly [name: string, meaning: string, more?: string];

export const ABOUT = 'a reverse tunnel that speaks rathole';

export const ENVIRONMENT: readonly Row[] = [
  ['WARREN_LOG', 'level: error, warn, info, debug, trace, off (default: info)'],
  ['RUST_LOG', 'the same, where WARREN_LOG is not set'],
  [
    'WARREN_LOG_FORMAT',
    'form: pretty or json (default: pretty on a terminal)',
    'Where the log is no terminal, JSON lines are the default.',
  ],
  ['WARREN_ACCESS_LOG', '1 for one log line per visitor connection', 'The same as `--access-log`.'],
  [
    'WARREN_ENGINE',
    'engine: auto, rust, addon or typescript (default: auto)',
    '`auto` takes the first of them that can be had. Any other value is strict: where that engine' +
      ' cannot be had, the start fails and says why.',
  ],
  [
    'WARREN_THREADS',
    'threads of the rust engine (default: cores, at most 4)',
    'From 1 to 256. It is checked whichever engine runs.',
  ],
  [
    'SSL_CERT_FILE',
    'authorities that TLS clients trust, in PEM',
    'They are trusted instead of those of the system. `trusted_root` in the configuration goes' +
      ' before it.',
  ],
  ['NO_COLOR', 'no colours', 'Whatever its value is.'],
];

export const SIGNALS: readonly Row[] = [
  [
    'SIGTERM, SIGINT',
    'stop accepting, drain, end; a second one ends at once',
    'Visitors that are being served may finish, for as long as `--drain-timeout` says.',
  ],
  ['SIGHUP', 'read the configuration now (changes are noticed anyway)'],
];

function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`).join('\n');
}

const MORE: readonly HelpSection[] = [
  { title: 'Environment', body: table(ENVIRONMENT) },
  { title: 'Signals', body: table(SIGNALS) },
  { title: 'Exit codes', body: table(EXIT_CODES) },
];

/** Title of the section that cac adds and that says nothing here. */
const CHATTER = 'For more info';

/** What cac lists with every command. */
const OF_PROGRAM = PROGRAM_OPTIONS.map((option) => `  ${optionSyntax(option)} `);

const COLUMNS = 80;

/** The final order of a help text: of one command, or of the program where there is none. */
export function helpSections(
  sections: readonly HelpSection[],
  command: CommandDefinition | undefined,
): HelpSection[] {
  const unwanted = command === undefined ? [] : OF_PROGRAM;
  // cac's first section is name/version.
  const [name, usage, ...rest] = sections
    .filter(({ title }) => title?.startsWith(CHATTER) !== true)
    .map((section) => ({ ...section, body: trimLines(section.body, unwanted) }));
  if (name === undefined || usage === undefined) return [...sections];
  const title = { body: `${name.body.replace('/', ' ')}: ${ABOUT}` };
  if (command === undefined) return [title, usage, ...rest, ...MORE];
  return [title, usage, { body: description(command) }, ...rest];
}

function description({ meaning, more = '' }: CommandDefinition): string {
  return wrap(`${meaning}. ${more.replaceAll('`', '')}`);
}

/** Without spaces at their ends, and without lines that begin so. */
function trimLines(text: string, unwanted: readonly string[]): string {
  return text
    .split('\n')
    .filter((line) => !unwanted.some((beginning) => line.startsWith(beginning)))
    .map((line) => line.trimEnd())
    .join('\n');
}

/** In lines that a terminal has room for. */
export function wrap(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length > COLUMNS) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.join('\n');
}
