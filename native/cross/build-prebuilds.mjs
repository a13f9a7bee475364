/**
 * `npm run build:prebuilds [-- linux-riscv64-gnu …]`: the C++ addon for other systems, by zig, into
 * `prebuilds/<platform>-<arch>/` under the names of node-gyp-build, with checksums beside the files.
 * Without names: those that are in the package `warren`, which has to stay below 1 MiB.
 *
 * Nothing is needed but libc: the few parts of the C++ library that the addon uses are compiled with it,
 * from the sources that zig brings, and like it without exceptions. With those the same parts are five
 * times as large.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeChecksum } from '../checksum.mjs';
import { ROOT } from '../packages/targets.mjs';
import { releaseVersion } from '../packages/versions.mjs';
import { checkBinary, GLIBC_FLOOR } from './binary.mjs';
import { provideZig } from './zig.mjs';

/** All together are in one package. */
const MAX_BYTES = 72 * 1024;
const SOURCES = join(ROOT, 'native/addon');

const IN_PACKAGE = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl'];
/** By the names of napi-rs; the value is zig's. */
const TARGETS = {
  'linux-x64-gnu': `x86_64-linux-gnu.${GLIBC_FLOOR}`,
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-gnu': `aarch64-linux-gnu.${GLIBC_FLOOR}`,
  'linux-arm64-musl': 'aarch64-linux-musl',
  'linux-ppc64-gnu': `powerpc64le-linux-gnu.${GLIBC_FLOOR}`,
  'linux-s390x-gnu': `s390x-linux-gnu.${GLIBC_FLOOR}`,
  'linux-riscv64-gnu': `riscv64-linux-gnu.${GLIBC_FLOOR}`,
};

/** Those of `binding.gyp`, and what node-gyp adds. */
const FLAGS = [
  ...['-std=c++20', '-Os', '-fPIC', '-fvisibility=hidden', '-D_FILE_OFFSET_BITS=64'],
  ...['-fno-exceptions', '-fno-rtti', '-fno-unwind-tables', '-fno-asynchronous-unwind-tables'],
  ...['-ffunction-sections', '-fdata-sections'],
];
const OWN_FLAGS = [
  ...['-Wall', '-Wextra', '-Werror', '-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS'],
  ...['-DBUILDING_NODE_EXTENSION', '-DNODE_GYP_MODULE_NAME=warren_addon'],
];
/** Of libc++. */
const LIBRARY =
  'chrono functional hash mutex mutex_destructor new new_handler new_helpers string system_error verbose_abort'.split(
    ' ',
  );
const EXPORTS = fileURLToPath(new URL('addon_exports.map', import.meta.url));

function build(target) {
  if (TARGETS[target] === undefined) {
    throw new Error(`no target ${target}; there are ${Object.keys(TARGETS).join(', ')}`);
  }
  const [platform, arch, abi] = target.split('-');
  const libc = abi === 'musl' ? 'musl' : 'glibc';
  const file = join(ROOT, 'prebuilds', `${platform}-${arch}`, `warren.${libc}.node`);
  mkdirSync(dirname(file), { recursive: true });
  const { zig } = provideZig();
  const work = mkdtempSync(join(tmpdir(), 'warren-prebuild-'));
  const run = (...words) =>
    execFileSync(zig, words, { cwd: work, stdio: ['ignore', 'inherit', 'inherit'] });
  const aim = ['-target', TARGETS[target]];
  try {
    // zig takes one at a time; the object goes where it is started.
    const compile = (flags, source) => run('c++', ...aim, ...FLAGS, ...flags, '-c', source);
    for (const source of sources()) compile([...OWN_FLAGS, ...definitions()], source);
    for (const source of librarySources(zig)) compile(libraryFlags(zig), source);
    const objects = readdirSync(work).map((name) => join(work, name));
    const linking = ['-shared', '-s', '-Wl,--gc-sections', `-Wl,--version-script=${EXPORTS}`];
    run('cc', ...aim, ...linking, ...objects, '-o', file);
  } finally {
    rmSync(work, { recursive: true });
  }
  checkUndefined(file);
  const found = checkBinary(file, { platform, libc }, MAX_BYTES);
  writeChecksum(file);
  process.stdout.write(`${file}: ${found.join(', ')}\n`);
}

function definitions() {
  const version = releaseVersion();
  const headers = [join(ROOT, 'node_modules/node-addon-api'), nodeHeaders()];
  return [`-DWARREN_VERSION=${version}`, ...headers.map((folder) => `-isystem${folder}`)];
}

/** What other systems have instead is named so. */
function sources() {
  return readdirSync(SOURCES)
    .filter((name) => /(?<!_portable|_poll)\.cc$/.test(name))
    .map((name) => join(SOURCES, name));
}

function libraryFlags(zig) {
  const folders = ['libcxx/src', 'libcxxabi/include', 'libc'].map(
    (name) => `-I${libraryFolder(zig, name)}`,
  );
  return ['-w', '-D_LIBCPP_BUILDING_LIBRARY', ...folders];
}

function librarySources(zig) {
  return LIBRARY.map((name) => libraryFolder(zig, `libcxx/src/${name}.cpp`));
}

function libraryFolder(zig, name) {
  return join(dirname(zig), 'lib', name);
}

/** Of C++ nothing may be left to find: Node has another library, or none. */
function checkUndefined(file) {
  const symbols = execFileSync('readelf', ['--wide', '--dyn-syms', file], { encoding: 'utf8' });
  const names = Array.from(symbols.matchAll(/ UND (\S+)/g), ([, name]) => name);
  const missing = names.filter((name) =>
    /^(_Z|__cxa_(?!finalize|atexit)|_Unwind|__gxx)/.test(name),
  );
  if (missing.length > 0) throw new Error(`${file} lacks ${missing.join(', ')}: see LIBRARY`);
}

function nodeHeaders() {
  const root = process.env.npm_config_nodedir ?? dirname(dirname(process.execPath));
  const folder = join(root, 'include/node');
  if (existsSync(join(folder, 'node_api.h'))) return folder;
  throw new Error(`no headers of Node in ${folder}: npm_config_nodedir tells where they are`);
}

try {
  const named = process.argv.slice(2);
  for (const target of named.length > 0 ? named : IN_PACKAGE) build(target);
} catch (error) {
  process.stderr.write(`build:prebuilds: ${error.message}\n`);
  process.exitCode = 1;
}
