/**
 * `node .ci/vitest.mjs FOLDER COMMAND [FILE...]`: vitest by that command, whose words have no blanks in
 * them, over those files. Into FOLDER go `numbers` (passed, failed, skipped, unsteady) and `told`, a
 * line or two for each test that failed or was unsteady.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runVitest } from '../test/helpers/vitest-run.mjs';

const [folder, command, ...files] = process.argv.slice(2);
const [program, ...words] = command.split(' ');
const { passed, skipped, failures, unsteady } = runVitest({
  run: (args) => spawnSync(program, [...words, ...args], { stdio: 'inherit' }).status,
  files,
  results: join(folder, 'vitest.json'),
});
const told = [
  ...failures.map((it) => `FAILED: ${it.name}\n  ${it.error}`),
  ...unsteady.map((it) => `unsteady: ${it.name}\n  ${it.error}`),
];
writeFileSync(join(folder, 'told'), told.map((text) => `${text}\n`).join(''));
const numbers = [passed, failures.length, skipped, unsteady.length];
writeFileSync(join(folder, 'numbers'), numbers.join(' '));
process.exitCode = Math.min(failures.length, 1);
