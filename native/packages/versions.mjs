/**
 * The version that everything of a release has. Program and native code are two halves of one thing,
 * so what is of another version is refused here, before it is refused by who installed it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { ROOT } from './targets.mjs';

/** That of package.json. @throws Error when Cargo.toml has another one */
export function releaseVersion(root = ROOT) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const crates = parse(readFileSync(join(root, 'Cargo.toml'), 'utf8')).workspace.package.version;
  if (crates !== version) {
    throw new Error(
      `package.json has version ${version}, Cargo.toml ${crates} (workspace.package): they must be the same`,
    );
  }
  return version;
}

/**
 * Asks a native file that runs here for its version, in a process of its own: what is loaded may end it.
 * @throws Error when it is another one, or when it cannot be asked
 */
export function checkBuiltVersion(file, version) {
  const ask = 'process.stdout.write(require(process.argv[1]).version())';
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', ask, file], {
    encoding: 'utf8',
  });
  if (status !== 0) {
    const words = stderr.split('\n').find((line) => line.includes('Error')) ?? signal ?? status;
    throw new Error(`${file} cannot be loaded here: ${words}`);
  }
  if (stdout !== version) {
    throw new Error(`${file} is of version ${stdout}, package.json of ${version}: build it again`);
  }
}
