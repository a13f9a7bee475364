/**
 * A machine that has Node, a package manager and a shell, and nothing to build with: PATH is a folder
 * of links. Home and caches are its own, so nothing that was there before helps.
 */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../helpers/programs.ts';
import { type Command, type Outcome, type RunOptions, run, succeed } from './commands.ts';
import { newFolder, scene } from './scene.ts';

/** What installers and their wrappers are made of. */
const BASIC = ['sh', 'env', 'uname', 'dirname', 'basename', 'readlink', 'sed', 'ls', 'cat', 'rm'];
export const ABSENT: readonly string[] = [
  ...['cargo', 'rustc', 'gcc', 'g++', 'cc', 'c++', 'clang', 'make', 'python', 'python3'],
];

export interface BareMachine {
  /** The only folder of PATH. */
  readonly bin: string;
  /** For installed programs: `npm install --global`. */
  readonly prefix: string;
  /** An empty folder to install into. */
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
  run(command: Command, options?: Partial<RunOptions>): Promise<Outcome>;
  /** What it said. @throws Error when it failed */
  succeed(command: Command, options?: Partial<RunOptions>): Promise<string>;
}

/** `programs`: what it has besides, each a script that its Node runs, or a file. */
export function bareMachine(
  node: string,
  programs: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
): BareMachine {
  const folder = newFolder('machine');
  const [bin, home, project, prefix] = ['bin', 'home', 'project', 'prefix'].map((name) => {
    mkdirSync(join(folder, name));
    return join(folder, name);
  }) as [string, string, string, string];
  symlinkSync(node, join(bin, 'node'));
  for (const name of BASIC) {
    const file = findProgram(name);
    if (file !== undefined) symlinkSync(file, join(bin, name));
  }
  for (const [name, script] of Object.entries(programs)) {
    const runner = script.endsWith('js') ? `node '${script}'` : `'${script}'`;
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${runner} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  // Read by npm, pnpm and bun.
  writeFileSync(join(home, '.npmrc'), `registry=${scene.registry.url}\n`);
  const env = {
    PATH: bin,
    HOME: home,
    NO_COLOR: '1',
    CI: 'true',
    npm_config_cache: join(home, 'npm-cache'),
    npm_config_prefix: prefix,
    npm_config_update_notifier: 'false',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    ...variables,
  };
  return {
    bin,
    prefix,
    project,
    env,
    run: (command, options = {}) => run(command, { cwd: project, env, ...options }),
    succeed: (command, options = {}) => succeed(command, { cwd: project, env, ...options }),
  };
}
