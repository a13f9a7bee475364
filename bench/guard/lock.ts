// One process at a time: a file with the id of the process that holds it. What a process that is
// gone has left behind is taken over.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Takes the lock and gives what gives it back, which the end of this process does, too.
 *
 * @throws Error while a process that runs has it.
 */
export function takeLock(file: string): () => void {
  const holder = holderOf(file);
  if (holder !== undefined && isAlive(holder)) {
    throw new Error(
      `process ${holder} is making a copy of warren now: wait for it (or remove ${file}, if that is no guard)`,
    );
  }
  rmSync(file, { force: true });
  // Fails where another process was faster.
  writeFileSync(file, `${process.pid}\n`, { flag: 'wx' });
  const unlock = (): void => {
    process.removeListener('exit', unlock);
    rmSync(file, { force: true });
  };
  process.once('exit', unlock);
  return unlock;
}

function holderOf(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10);
  } catch {
    return undefined;
  }
}

function isAlive(id: number): boolean {
  if (!Number.isInteger(id) || id <= 0) return false;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    // Another user's process is there all the same.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
