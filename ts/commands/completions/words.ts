/**
 * What the scripts of all shells have in common. Each reads the words before the cursor as the
 * program does: the first that is neither an option nor an option's value may be a command, and
 * behind `--` there are no options and no commands.
 */
import {
  COMMANDS,
  type CommandDefinition,
  listedOptions,
  type OptionDefinition,
  optionWords,
} from '../definition.ts';

export const COMMAND_NAMES: readonly string[] = COMMANDS.flatMap(({ name }) => {
  return name === '' ? [] : [name];
});

/** Options that a value follows, each once: an option's name means the same with every command. */
export const WITH_VALUE: readonly OptionDefinition[] = [
  ...new Map(
    COMMANDS.flatMap(listedOptions)
      .filter(({ value }) => value !== undefined)
      .map((option) => [option.name, option]),
  ).values(),
];

export const WORDS_WITH_VALUE: readonly string[] = WITH_VALUE.flatMap(optionWords);

/** What a script calls a command: the one without a name is `run`. */
export function commandKey({ name }: CommandDefinition): string {
  return name === '' ? 'run' : name;
}

/** The first line of a script. */
export function heading(shell: string): string {
  return `# ${shell} completion for warren. Made by: warren completion ${shell}`;
}

/** Lines of a script, moved in. */
export function indented(spaces: number, lines: readonly string[]): string {
  return lines.map((line) => ' '.repeat(spaces) + line).join('\n');
}
