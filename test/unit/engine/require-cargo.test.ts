/** What `npm run build:native` says before it begins. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../../native/napi/require-cargo.mjs', import.meta.url));

function run(env: NodeJS.ProcessEnv): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [SCRIPT], { env, encoding: 'utf8' });
}

it('names what is missing in one line', () => {
  const { status, stderr } = run({ PATH: '' });
  expect(status).toBe(1);
  expect(stderr).toBe(
    'build:native needs cargo: https://rustup.rs; warren works without it, on the typescript engine\n',
  );
});

it('is silent where cargo is', () => {
  // Node has a --version, too.
  expect(run({ PATH: '', CARGO: process.execPath })).toMatchObject({ status: 0, stderr: '' });
});
