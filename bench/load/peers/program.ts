// What the peers' programs say, and where a system keeps those of its operator.

import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { findProgram } from '../tools/find-program.ts';

/** Not everyone's PATH has them. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin'];
/** What is named by mistake may be a program that never ends. */
const LIMIT_MS = 10_000;

/** Finds a daemon of the system: by its variable, on PATH, then where daemons are. */
export function findDaemon(
  name: string,
  variable: string,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const { PATH: path = '' } = env;
  const paths = [path, ...SYSTEM_DIRECTORIES].join(delimiter);
  return findProgram(name, variable, { ...env, PATH: paths });
}

/** Why a peer is left out: what is wrong with its variables, where they are set, and what to do. */
export function notFound(
  variables: readonly string[],
  advice: string,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const wrong = variables.flatMap((variable) => {
    const { [variable]: file } = env;
    const isWrong = file && findProgram(variable, variable, env) === undefined;
    return isWrong ? [`${variable} is ${file}, which is no program that can be run; `] : [];
  });
  return `${wrong.join('')}${advice}`;
}

/** All that it prints for `flag`, whether to stdout or to stderr. */
export function outputOf(file: string, flag = '--version'): string {
  const { stdout, stderr } = spawnSync(file, [flag], { encoding: 'utf8', timeout: LIMIT_MS });
  return `${stdout ?? ''}${stderr ?? ''}`;
}
