/**
 * `npm run build:addon`: builds the C++ addon by node-gyp into build/Release, here or in an installed
 * package, and writes its checksum beside it. `--portable` builds the one without epoll and splice, too,
 * as build/Portable/warren_addon_portable.node, for its tests. Says in one line what is missing where it cannot.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Node's headers where Node itself was unpacked; else node-gyp fetches them from nodejs.org. */
function headersArgument() {
  const folder = dirname(dirname(process.execPath));
  const isThere =
    process.env.npm_config_nodedir === undefined &&
    existsSync(join(folder, 'include/node/node_api.h')) &&
    existsSync(join(folder, 'include/node/common.gypi'));
  return isThere ? [`--nodedir=${folder}`] : [];
}

/** npm brings node-gyp and tells its scripts where; other package managers may have it in PATH. */
function nodeGyp() {
  const script = process.env.npm_config_node_gyp;
  return script !== undefined && existsSync(script)
    ? [process.execPath, script]
    : [process.platform === 'win32' ? 'node-gyp.cmd' : 'node-gyp'];
}

function writeChecksum(file) {
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex');
  writeFileSync(`${file}.sha256`, `${sum}  ${basename(file)}\n`);
}

function build(portable) {
  if (process.platform === 'win32') return 'Node’s sockets have no descriptors on Windows';
  const [program, ...first] = nodeGyp();
  const variables = portable ? ['--', '-Dwarren_portable=1'] : [];
  // The JSON form of the log is for npm; a person wants the compiler's words.
  const { error, status } = spawnSync(
    program,
    [...first, 'rebuild', ...headersArgument(), ...variables],
    { cwd: ROOT, stdio: 'inherit' },
  );
  if (error !== undefined)
    return `node-gyp cannot be run (${error.message}): npm install -g node-gyp`;
  if (status !== 0) {
    return 'node-gyp failed, see above: it needs a C++20 compiler (g++ 11, clang 14 or newer), make and python3';
  }
  writeChecksum(join(ROOT, 'build/Release/warren_addon.node'));
  return undefined;
}

const failure = build(process.argv.includes('--portable'));
if (failure !== undefined) {
  process.stderr.write(`build:addon: ${failure}\n`);
  process.exitCode = 1;
}
