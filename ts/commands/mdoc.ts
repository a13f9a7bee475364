/** Text and options in mdoc, the macros of BSD's man pages, which mandoc and groff read. */
import type { OptionDefinition } from './definition.ts';
import { wrap } from './usage.ts';

/** What is typed or read as it stands: no typographic hyphen or quote is made of it. */
export function literal(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq');
}

/** Running text: a sentence begins a line; names between backticks become bold and are not hyphenated. */
export function prose(text: string): string[] {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll(/`([^`]+)`/g, (_, name: string) => `\\fB\\%${name.replaceAll('-', '\\-')}\\fP`)
    .split(/(?<=\.) (?=[A-Z0-9\\])/)
    .flatMap((sentence) => wrap(sentence).split('\n'))
    .map((line) => (/^[.']/.test(line) ? `\\&${line}` : line));
}

/** As a list of options has it: `Fl s , Fl \-server`. */
export function optionTag({ short, name, value }: OptionDefinition): string {
  const names = short === undefined ? longName(name) : `Fl ${short} , ${longName(name)}`;
  if (value === undefined) return names;
  return `${names} ${value.optional === true ? 'Op ' : ''}Ar ${value.name}`;
}

/** As a synopsis has it, those that exclude each other together, at the place of the first. */
export function optionSynopsis(
  option: OptionDefinition,
  all: readonly OptionDefinition[],
): string[] {
  const other = all.find(({ name }) => name === option.excludes);
  if (other !== undefined && all.indexOf(other) < all.indexOf(option)) return [];
  const either = other === undefined ? [option] : [option, other];
  return [`.Op ${either.map(shortTag).join(' | ')}`];
}

function shortTag(option: OptionDefinition): string {
  const { short, value } = option;
  return short === undefined || value !== undefined ? optionTag(option) : `Fl ${short}`;
}

function longName(name: string): string {
  return `Fl ${literal(`-${name}`)}`;
}
