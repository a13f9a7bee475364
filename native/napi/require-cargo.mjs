/** Before `npm run build:native`: says in one line what is missing where there is no cargo. */
import { spawnSync } from 'node:child_process';

// The variable is that of @napi-rs/cli.
const { status, error } = spawnSync(process.env.CARGO || 'cargo', ['--version'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
if (error !== undefined || status !== 0) {
  process.stderr.write(
    'build:native needs cargo: https://rustup.rs; warren works without it, on the typescript engine\n',
  );
  process.exitCode = 1;
}
