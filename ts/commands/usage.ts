/** What `--help` says beyond commands and options. */
import { EXIT_CODES } from './exit-codes.ts';

export interface HelpSection {
  title?: string;
  body: string;
}

type Row = readonly [name: string, meaning: string];

const ENVIRONMENT: readonly Row[] = [
  ['WARREN_LOG', 'log level: error, warn, info, debug, trace, off (default: info)'],
  ['RUST_LOG', 'the same, where WARREN_LOG is not set'],
  ['WARREN_LOG_FORMAT', 'pretty or json (default: pretty on a terminal, json elsewhere)'],
  ['WARREN_ACCESS_LOG', '1: one log line per visitor connection'],
  ['WARREN_ENGINE', 'auto, rust, addon or typescript (default: auto)'],
  ['WARREN_THREADS', 'threads of the rust engine (default: as many as cores, at most 4)'],
  ['NO_COLOR', 'no colours'],
];

const SIGNALS: readonly Row[] = [
  ['SIGTERM, SIGINT', 'stop accepting, drain, end; a second one ends at once'],
  ['SIGHUP', 'read the configuration again (a changed file is noticed without it)'],
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

const ABOUT = ': a reverse tunnel that speaks rathole';

/** Title of the section that cac adds and that says nothing here. */
const CHATTER = 'For more info';

/** The final order of a help text; `isWhole` for that of the program, not of one command. */
export function helpSections(sections: readonly HelpSection[], isWhole: boolean): HelpSection[] {
  const kept = sections.filter(({ title }) => title?.startsWith(CHATTER) !== true);
  const trimmed = kept.map((section, index) => ({
    ...section,
    // cac's first section is name/version.
    body: index === 0 ? section.body.replace('/', ' ') + ABOUT : trimLines(section.body),
  }));
  return isWhole ? [...trimmed, ...MORE] : trimmed;
}

function trimLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
