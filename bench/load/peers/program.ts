// The peers' programs: found by the environment, on PATH or where they usually are.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** `variable` alone counts where it is set; `also` are directories to look in after PATH. */
export function findProgram(
  variable: string,
  name: string,
  also: readonly string[] = [],
): string | undefined {
  const named = process.env[variable];
  const { PATH: path = '' } = process.env;
  const candidates = named
    ? [named]
    : [...path.split(delimiter), ...also].map((directory) => join(directory, name));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** All that it prints for `flag`, whether to stdout or to stderr. */
export function outputOf(file: string, flag = '--version'): string {
  const { stdout, stderr } = spawnSync(file, [flag], { encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`;
}
