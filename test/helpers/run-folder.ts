/**
 * One folder per run of the suite, for what is slow to make and is shared by its workers. vitest calls
 * `setup` before the first file and what that returns after the last.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const VARIABLE = 'WARREN_TEST_RUN_FOLDER';

export function runFolder(): string {
  const folder = process.env[VARIABLE];
  if (folder === undefined) throw new Error(`${VARIABLE} is not set: vitest.config.ts does that`);
  return folder;
}

export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'warren-run-'));
  process.env[VARIABLE] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
