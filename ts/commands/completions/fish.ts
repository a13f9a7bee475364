/** Completion for fish. Every option and command has its meaning beside it. */
import {
  COMMANDS,
  type CommandDefinition,
  type Completes,
  listedOptions,
  type OptionDefinition,
} from '../definition.ts';
import { COMMAND_NAMES, commandKey, heading, WORDS_WITH_VALUE } from './words.ts';

export function fishScript(): string {
  return `${heading('fish')}

# The command before the cursor, how many operands it has, and whether there was a \`--\`.
function __warren_state
    set -l words (commandline -opc)
    set -e words[1]
    set -l command run
    set -l operands 0
    set -l value no
    set -l ended no
    for word in $words
        if test $ended = yes
            set operands (math $operands + 1)
        else if test "$word" = --
            set ended yes
        else if string match -q -- '-*' "$word"
            set value no
            contains -- "$word" ${WORDS_WITH_VALUE.join(' ')}; and set value yes
        else if test $value = yes
            set value no
        else if test $command$operands = run0; and contains -- "$word" ${COMMAND_NAMES.join(' ')}
            set command $word
        else
            set operands (math $operands + 1)
        end
    end
    echo $command $operands $ended
end

function __warren_is
    string match -q -- "$argv" (__warren_state)
end

complete -c warren -f
${COMMANDS.flatMap(commandLines).join('\n')}
`;
}

function commandLines(command: CommandDefinition): string[] {
  const { name, meaning, operand } = command;
  const key = commandKey(command);
  const options = listedOptions(command);
  return [
    ...(name === '' ? [] : [rule('run 0 no', ['-a', name, '-d', quoted(meaning)])]),
    ...(operand === undefined ? [] : [rule(`${key} 0 *`, offered(operand.completes))]),
    ...options.map((option) => rule(`${key} *`, optionFlags(option))),
  ];
}

/** Where the state is such, this is offered. */
function rule(state: string, what: readonly string[]): string {
  return `complete -c warren -n "__warren_is '${state}'" ${what.join(' ')}`;
}

/** To fish a value is needed or there is none: without `-r` or `-x` it would offer options there. */
function optionFlags({ short, name, value, meaning }: OptionDefinition): string[] {
  const words = short === undefined ? ['-l', name] : ['-s', short, '-l', name];
  if (value !== undefined) words.push(value.completes === 'file' ? '-r' : '-x');
  const values = offered(value?.completes ?? 'nothing');
  return [...words, ...values, '-d', quoted(meaning)];
}

/** Files with the right ending come first; fish has the others behind them. */
function offered(completes: Completes): string[] {
  if (completes === 'config') return ['-k', '-a', "'(__fish_complete_suffix .toml)'"];
  if (completes === 'file') return ['-F'];
  return completes === 'nothing' ? [] : ['-a', quoted(completes.join(' '))];
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
