/** `warren completion SHELL`: a script for that shell, to standard output. */
import type { CompletionArguments } from './arguments.ts';
import { bashScript } from './completions/bash.ts';
import { fishScript } from './completions/fish.ts';
import { zshScript } from './completions/zsh.ts';
import type { Shell } from './definition.ts';
import { EXIT_OK, EXIT_OUTPUT } from './exit-codes.ts';
import { print } from './output.ts';

const SCRIPTS: Readonly<Record<Shell, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** 1 when it could not be written. */
export async function completion({ shell }: CompletionArguments): Promise<number> {
  return (await print(SCRIPTS[shell]())) ? EXIT_OK : EXIT_OUTPUT;
}
