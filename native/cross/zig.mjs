/**
 * zig, a C and C++ compiler that has the C libraries of all our targets, and cargo-zigbuild, which
 * lets cargo use it. Both come from PyPI, of the versions and hashes in `requirements.txt`, into a
 * cache. (WARREN_CACHE, default ~/.cache/warren.)
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));

/** Where slow downloads are kept, as in `.ci/run`. */
export const CACHE = process.env.WARREN_CACHE || join(homedir(), '.cache/warren');

/** @throws Error with what to install, where it cannot be had */
export function provideZig() {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = join(CACHE, `zig-${hash}`);
  if (!existsSync(folder)) install(folder);
  const zig = join(folder, 'ziglang/zig');
  return {
    zig,
    env: {
      PATH: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`,
      CARGO_ZIGBUILD_ZIG_PATH: zig,
      // Below the cache of the user, who may be another one in a container.
      CARGO_ZIGBUILD_CACHE_DIR: join(folder, 'wrappers'),
    },
  };
}

/** Beside it and moved into place: what is cut short leaves nothing that looks done. */
function install(folder) {
  mkdirSync(CACHE, { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  const wheels = ['--only-binary=:all:', '--require-hashes', '--requirement', REQUIREMENTS];
  const { error, status } = spawnSync('python3', [...pip, '--target', partial, ...wheels], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (error === undefined && status === 0) {
    try {
      renameSync(partial, folder);
      return;
    } catch (cause) {
      // Another run beside this one may have been faster.
      if (existsSync(folder)) return rmSync(partial, { recursive: true });
      throw cause;
    }
  }
  rmSync(partial, { recursive: true, force: true });
  throw new Error(
    'zig cannot be had: python3 with pip on Linux and PyPI are needed (Debian: apt install python3-pip)',
  );
}
