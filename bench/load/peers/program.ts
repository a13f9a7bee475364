// What the peers' programs say, and where a system keeps those of its operator.

import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { findProgram } from '../tools/find-program.ts';

/** Not everyone's PATH has them. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin'];

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

/** All that it prints for `flag`, whether to stdout or to stderr. */
export function outputOf(file: string, flag = '--version'): string {
  const { stdout, stderr } = spawnSync(file, [flag], { encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`;
}
