/** What real shells offer for a command line, with the script that `warren completion` prints. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ZSH_DRIVER = fileURLToPath(new URL('../fixtures/complete.zsh', import.meta.url));
/** Where the package of that name has it; it may not be installed. */
export const BASH_COMPLETION = '/usr/share/bash-completion/bash_completion';
const TIMEOUT_MS = 20_000;

/** Where a shell works, and what it must not find. */
export interface Place {
  readonly folder: string;
  /** Its home: nobody's own settings. */
  readonly home: string;
  /** Programs besides the system's. */
  readonly bin?: string;
}

/** What is offered at the end of `typed`, as names: without quotes and marks of folders. */
export type Complete = (place: Place, script: string, typed: string) => string[];

export const completeInBash: Complete = (place, script, typed) => {
  // As readline cuts it; a word in quotes it would look at by itself.
  const words = typed.split(' ').flatMap((word) => word.split(/(?<=^--.*)(=)/));
  const program = `source "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _warren
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return names(run(place, 'bash', ['--norc', '--noprofile', '-c', program, script, ...words]));
};

export const completeInFish: Complete = (place, script, typed) => {
  const lines = linesInFish(place, `source ${quoted(script)}`, typed);
  // Behind `--option=` it repeats that.
  const offered = lines.map((line) => line.replace(/\t.*/, '').replace(/^--[a-z-]+=/, ''));
  return names(offered.join('\n'));
};

/** In the order of fish, with meanings. */
export function linesInFish(place: Place, setup: string, typed: string): string[] {
  return run(place, 'fish', ['-c', `${setup}; complete -C $argv[1]`, typed]).split('\n');
}

/** `script` is the file `_warren` in a folder of its own, which goes into `fpath`. */
export const completeInZsh: Complete = (place, script, typed) => {
  return zshWith(place, `fpath=(${quoted(dirname(script))} $fpath); ${COMPINIT}`, typed);
};

/** The same, evaluated behind `compinit`. */
export const completeInSourcedZsh: Complete = (place, script, typed) =>
  zshWith(place, `${COMPINIT}; source ${quoted(script)}`, typed);

/** An interactive bash: what a program `warren` is given for what is typed, TABs included. */
export function typeInBash(place: Place, setup: string, typed: string): string[] {
  const rc = join(place.home, 'bashrc');
  writeFileSync(rc, `warren() { printf 'GOT:%s\\n' "$@"; }\n${setup}\n`);
  const shell = `bash --noprofile --rcfile ${quoted(rc)} -i`;
  const output = run(place, 'script', ['-qec', shell, '/dev/null'], `${typed}\nexit\n`);
  return [...output.matchAll(/^.*GOT:(.*)$/gm)].map(([, word = '']) => word);
}

const COMPINIT = 'autoload -Uz compinit; compinit -u -D';

function zshWith(place: Place, setup: string, typed: string): string[] {
  const output = run(place, 'zsh', ['-f', ZSH_DRIVER, setup, typed]);
  if (!output.includes('DONE')) throw new Error(`zsh did not complete: ${output}`);
  const hits = [...output.matchAll(/HIT:(.*)/g)].map(([, hit = '']) => hit);
  return names(hits.map((hit) => hit.replaceAll(/\\(.)/g, '$1')).join('\n'));
}

function run(place: Place, shell: string, args: readonly string[], input = ''): string {
  const { stdout, stderr, error } = spawnSync(shell, args, {
    cwd: place.folder,
    env: {
      PATH: [place.bin ?? [], process.env['PATH'] ?? []].flat().join(':'),
      HOME: place.home,
      TERM: 'xterm',
      LANG: 'C.UTF-8',
    },
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    input,
  });
  if (error !== undefined) throw error;
  if (stderr !== '') throw new Error(`${shell}: ${stderr}`);
  return stdout.replaceAll('\r', '');
}

function names(output: string): string[] {
  const lines = output.split('\n').map((line) => line.replace(/\/$/, ''));
  return [...new Set(lines.filter((line) => line !== ''))].toSorted();
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
