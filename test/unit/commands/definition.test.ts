/** What the parser, the completions and a terminal need of the definition of the command line. */
import { describe, expect, it, vi } from 'vitest';
import { parseArguments } from '../../../ts/commands/arguments.ts';
import { COMMANDS, listedOptions, optionWords } from '../../../ts/commands/definition.ts';

const LISTED = COMMANDS.flatMap((command) =>
  listedOptions(command).map((option) => ({ command: command.name, option })),
);

/** What `--help` prints. */
function helpOf(command: string): string {
  const words = command === '' ? ['--help'] : [command, '--help'];
  const parsed = parseArguments(words);
  const print = vi.spyOn(console, 'info').mockImplementation(() => undefined);
  try {
    if (parsed.verb === 'help') parsed.print();
    return print.mock.calls.flat().join('\n');
  } finally {
    print.mockRestore();
  }
}

describe('an option', () => {
  it('takes the same values with every command: completions look for it before they know which', () => {
    const values = new Map(LISTED.map(({ option }) => [option.name, option.value]));
    for (const { option } of LISTED) expect(option.value).toBe(values.get(option.name));
  });

  it('excludes one that is there and excludes it', () => {
    for (const command of COMMANDS) {
      for (const { name, excludes } of command.options) {
        if (excludes === undefined) continue;
        expect(command.options.find((other) => other.name === excludes)?.excludes).toBe(name);
      }
    }
  });

  it.each(LISTED)('of "$command": $option.name is understood', ({ command, option }) => {
    const { name, value } = option;
    const given = typeof value?.completes === 'object' ? value.completes[0] : '7';
    for (const word of optionWords(option)) {
      const words = [
        ...(command === '' ? [] : [command]),
        ...(value ? [word, given ?? ''] : [word]),
      ];
      let problem = '';
      try {
        parseArguments(words);
      } catch (error) {
        problem = String(error);
      }
      // What is missing besides it may be told; it itself is known.
      expect(problem).not.toMatch(/unknown option/i);
      expect(problem).not.toContain(`--${name} takes`);
    }
  });
});

describe('help', () => {
  it.each(COMMANDS)(
    'of "$name" has every option with its meaning, within 80 columns',
    (command) => {
      const lines = helpOf(command.name).split('\n');
      for (const { name, meaning } of listedOptions(command)) {
        const line = lines.find((each) => each.split(/[ ,]+/).includes(`--${name}`));
        expect(line).toContain(`  ${meaning}`);
      }
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it('of the program has every command with its meaning', () => {
    const help = helpOf('');
    for (const { name, meaning } of COMMANDS)
      expect(help).toMatch(new RegExp(`^  ${name}.*  ${meaning}$`, 'm'));
  });

  it('of a command says what it is about', () => {
    expect(helpOf('status')).toContain('not about a daemon that is running');
    expect(helpOf('check')).not.toContain('--verbose');
  });
});
