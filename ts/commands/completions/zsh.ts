/**
 * Completion for zsh, as a file `_warren` in a folder of `fpath` or evaluated behind `compinit`.
 * Every option and command has its meaning beside it.
 */
import {
  COMMANDS,
  type CommandDefinition,
  type Completes,
  listedOptions,
  type OptionDefinition,
  optionWords,
} from '../definition.ts';
import { COMMAND_NAMES, commandKey, heading, indented, WORDS_WITH_VALUE } from './words.ts';

export function zshScript(): string {
  return `#compdef warren
${heading('zsh')}

# The first operand may be a command or a file; behind \`--\` it is a file.
_warren_first() {
  local -a commands=(
${indented(4, commandEntries())}
  )
  local -i failed=1
  (( ended )) || _describe -t commands command commands && failed=0
  ${action('config')} && failed=0
  return failed
}

_warren() {
  local command=run word
  local -i i value ended found
  for ((i = 2; i < CURRENT; i++)); do
    word=\${(Q)words[i]}
    if [[ $word == -- ]]; then
      ended=1
      break
    elif [[ $word == -* ]]; then
      case $word in
        (${WORDS_WITH_VALUE.join('|')}) value=1 ;;
        (*) value=0 ;;
      esac
    elif (( value )); then
      value=0
    elif (( ! found )); then
      found=1
      case $word in
        (${COMMAND_NAMES.join('|')})
          command=$word
          # It is no operand.
          words[i]=()
          (( i--, CURRENT-- ))
          ;;
      esac
    fi
  done
  case $command in
${COMMANDS.map(commandCase).join('\n')}
  esac
}

if [[ $funcstack[1] == _warren ]]; then
  _warren "$@"
else
  compdef _warren warren
fi
`;
}

function commandEntries(): string[] {
  return COMMANDS.filter(({ name }) => name !== '').map(({ name, meaning }) =>
    quoted(`${name}:${meaning}`),
  );
}

function commandCase(command: CommandDefinition): string {
  const specs = listedOptions(command).map((option) => optionSpec(option, command));
  const words = [...specs, ...operandSpecs(command)];
  const call = words.map((word) => ` \\\n        ${word}`).join('');
  return `    (${commandKey(command)})\n      _arguments -s -S${call}\n      ;;`;
}

/** `'(-s --server -c --client)'{-s,--server}'[Run as server]'` */
function optionSpec(option: OptionDefinition, { options }: CommandDefinition): string {
  const { value, meaning, excludes } = option;
  const others = options.filter(({ name }) => name === excludes);
  const excluded = quoted(`(${[option, ...others].flatMap(optionWords).join(' ')})`);
  const names = optionWords(option).map((word) => (value === undefined ? word : `${word}=`));
  const name = names.length === 1 ? names.join('') : `{${names.join(',')}}`;
  const about = `[${meaning.replaceAll(/[\\[\]:]/g, '\\$&')}]`;
  if (value === undefined) return `${excluded}${name}${quoted(about)}`;
  const colons = value.optional === true ? '::' : ':';
  return excluded + name + quoted(`${about}${colons}${value.name}:${action(value.completes)}`);
}

function operandSpecs({ name, operand }: CommandDefinition): string[] {
  if (operand === undefined) return [];
  const what = name === '' ? '_warren_first' : action(operand.completes);
  return [quoted(`1:${operand.name}:${what}`)];
}

function action(completes: Completes): string {
  if (completes === 'config') return '_files -g "*.toml"';
  if (completes === 'file') return '_files';
  return completes === 'nothing' ? ' ' : `(${completes.join(' ')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
