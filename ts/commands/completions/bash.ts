/**
 * Completion for bash, 3.2 (macOS) and newer, with or without the bash-completion package. Meanings
 * are not shown, because bash has no place for them.
 */
import { COMMANDS, type Completes, listedOptions, optionWords } from '../definition.ts';
import {
  COMMAND_NAMES,
  commandKey,
  heading,
  indented,
  WITH_VALUE,
  WORDS_WITH_VALUE,
} from './words.ts';

export function bashScript(): string {
  return `${heading('bash')}

_warren_words() {
  local found
  while read -r found; do
    COMPREPLY+=("$found")
  done < <(compgen -W "$1" -- "$cur")
}

# Folders, and files whose names match; where there are none, whatever readline finds.
_warren_files() {
  local found
  while IFS= read -r found; do
    COMPREPLY+=("$found")
  done < <(compgen -d -- "$cur"; compgen -f -X "!$1" -- "$cur")
  # macOS has a bash without compopt.
  compopt -o filenames 2>/dev/null
  [[ \${#COMPREPLY[@]} -gt 0 ]] || compopt -o default 2>/dev/null
}

_warren() {
  local IFS=$' \\t\\n'
  local cur=\${COMP_WORDS[COMP_CWORD]} word command=run value='' ended=''
  local -i i operands=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $ended ]]; then
      operands+=1
    elif [[ $word == = ]]; then
      # Of \`--option=value\`, which bash cuts into three.
      continue
    elif [[ $word == -- ]]; then
      ended=1 value=
    elif [[ $word == -* ]]; then
      case $word in
        ${WORDS_WITH_VALUE.join(' | ')}) value=$word ;;
        *) value= ;;
      esac
    elif [[ $value ]]; then
      value=
    else
      operands+=1
      [[ $command == run && $operands -eq 1 ]] || continue
      case $word in
        ${COMMAND_NAMES.join(' | ')}) command=$word operands=0 ;;
      esac
    fi
  done
  [[ $cur == = ]] && cur=

  if [[ $value && $cur != -* ]]; then
    case $value in
${indented(6, valueCases())}
    esac
  elif [[ $cur == -* && ! $ended ]]; then
    case $command in
${indented(6, optionCases())}
    esac
  elif [[ $operands -eq 0 ]]; then
    [[ $command != run || $ended ]] || _warren_words '${COMMAND_NAMES.join(' ')}'
    case $command in
${indented(6, operandCases())}
    esac
  fi
}

complete -F _warren warren
`;
}

function valueCases(): string[] {
  return WITH_VALUE.map((option) => {
    const { completes = 'nothing' } = option.value ?? {};
    return `${optionWords(option).join(' | ')}) ${action(completes)} ;;`;
  });
}

function optionCases(): string[] {
  return COMMANDS.map((command) => {
    const words = listedOptions(command).flatMap(optionWords);
    return `${commandKey(command)}) _warren_words '${words.join(' ')}' ;;`;
  });
}

function operandCases(): string[] {
  return COMMANDS.flatMap((command) => {
    const { operand } = command;
    return operand === undefined ? [] : `${commandKey(command)}) ${action(operand.completes)} ;;`;
  });
}

function action(completes: Completes): string {
  if (completes === 'config') return "_warren_files '*.toml'";
  if (completes === 'file') return "_warren_files '*'";
  return completes === 'nothing' ? ':' : `_warren_words '${completes.join(' ')}'`;
}
