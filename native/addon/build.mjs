/**
 * `npm run build:addon`: builds the C++ addon by node-gyp into build/Release, here or in an installed
 * package, and writes its checksum beside it. `--portable` builds the one without epoll and splice, too,
 * as build/Portable/warren_addon_portable.node, for its tests. Says in one line what is missing where it cannot.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeChecksum } from '../checksum.mjs';
import { cppToolchain, UNAVAILABLE } from '../toolchain.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Node's headers: where one is told, else where Node itself was unpacked, else undefined. */
function headersArgument() {
  if (process.env.npm_config_nodedir !== undefined) return [];
  const folder = dirname(dirname(process.execPath));
  const files = ['node_api.h', 'common.gypi'].map((name) => join(folder, 'include/node', name));
  return files.every(existsSync) ? [`--nodedir=${folder}`] : undefined;
}

/** npm brings node-gyp and tells its scripts where; other package managers may have it in PATH. */
function nodeGyp() {
  const script = process.env.npm_config_node_gyp;
  return script !== undefined && existsSync(script)
    ? [process.execPath, script]
    : [process.platform === 'win32' ? 'node-gyp.cmd' : 'node-gyp'];
}

/** Where node-gyp looks for it. A published package has it beside the sources: see there. */
function placeGypFile() {
  const place = join(ROOT, 'binding.gyp');
  if (existsSync(place)) return;
  copyFileSync(join(ROOT, 'native/addon/binding.gyp'), place);
  process.on('exit', () => rmSync(place, { force: true }));
}

function build(portable) {
  const { lacks, env } = cppToolchain();
  if (lacks !== undefined) return { lacks };
  const [program, ...first] = nodeGyp();
  if (spawnSync(program, [...first, '--version']).status !== 0)
    return { lacks: 'no node-gyp that runs: npm install -g node-gyp' };
  // `npm run --silent` would hide node-gyp's own errors.
  const environment = { ...process.env, npm_config_loglevel: 'error', ...env };
  const options = { cwd: ROOT, env: environment, stdio: 'inherit' };
  const gyp = (...args) => spawnSync(program, [...first, ...args], options).status === 0;
  const headers = headersArgument();
  if (headers === undefined && !gyp('install', '--ensure'))
    return { lacks: 'no headers of Node, which come from nodejs.org: see above' };
  placeGypFile();
  const variables = portable ? ['--', '-Dwarren_portable=1'] : [];
  if (!gyp('rebuild', ...(headers ?? []), ...variables))
    return { failure: 'node-gyp failed, see above: g++ 11, clang 14 or newer is needed' };
  // make leaves a copy of it where the loader takes what comes first.
  rmSync(join(ROOT, 'build/Release/warren_addon_portable.node'), { force: true });
  writeChecksum(join(ROOT, 'build/Release/warren_addon.node'));
  return {};
}

const { lacks, failure } = build(process.argv.includes('--portable'));
if (lacks !== undefined || failure !== undefined) {
  process.stderr.write(`build:addon: ${lacks ?? failure}\n`);
  process.exitCode = lacks === undefined ? 1 : UNAVAILABLE;
}
