// Where a program of others is on this machine.

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The file of a program, from PATH or, first, from the environment variable that names it;
 * `undefined` where there is none that can be run.
 */
export function findProgram(
  name: string,
  variable?: string,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const named = variable === undefined ? undefined : env[variable];
  const { PATH: path = '' } = env;
  const candidates = named
    ? [named]
    : path.split(delimiter).map((directory) => join(directory, name));
  return candidates.find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    // The right to search a directory is that bit, too.
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
