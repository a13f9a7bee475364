/**
 * `npm run build:prebuilds [-- linux-x64-musl …]`: the C++ addon for other systems, by zig, into
 * `prebuilds/<platform>-<arch>/` under the names of node-gyp-build, with checksums beside the files.
 *
 * For what the Rust engine is prebuilt for, it is what remains where its package is left out; for the
 * others it is what makes warren fast at all. The C++ runtime is inside, so nothing is needed but libc.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeChecksum } from '../checksum.mjs';
import { ROOT } from '../packages/targets.mjs';
import { checkBinary, GLIBC_FLOOR } from './binary.mjs';
import { provideZig } from './zig.mjs';

/** All together are in one package. */
const MAX_BYTES = 128 * 1024;
const SOURCES = join(ROOT, 'native/addon');

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
  ...['-std=c++20', '-Os', '-Wall', '-Wextra', '-Werror', '-fPIC', '-fvisibility=hidden'],
  ...['-fno-exceptions', '-fno-rtti', '-ffunction-sections', '-fdata-sections', '-pthread'],
  ...['-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DBUILDING_NODE_EXTENSION'],
  ...['-DNODE_GYP_MODULE_NAME=warren_addon', '-D_FILE_OFFSET_BITS=64'],
  // Nothing throws, so nothing unwinds.
  ...['-fno-unwind-tables', '-fno-asynchronous-unwind-tables'],
  ...['-flto', '-shared', '-s', '-Wl,--gc-sections'],
];

function build(target) {
  if (TARGETS[target] === undefined) {
    throw new Error(`no target ${target}; there are ${Object.keys(TARGETS).join(', ')}`);
  }
  const [platform, arch, abi] = target.split('-');
  const libc = abi === 'musl' ? 'musl' : 'glibc';
  const file = join(ROOT, 'prebuilds', `${platform}-${arch}`, `warren.${libc}.node`);
  mkdirSync(dirname(file), { recursive: true });
  const { zig } = provideZig();
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const args = [
    ...['c++', '-target', TARGETS[target], ...FLAGS, `-DWARREN_VERSION=${version}`],
    ...[join(ROOT, 'node_modules/node-addon-api'), nodeHeaders()].map(
      (folder) => `-isystem${folder}`,
    ),
    ...sources().map((name) => join(SOURCES, name)),
    fileURLToPath(new URL('no_demangle.cc', import.meta.url)),
    ...['-o', file],
  ];
  execFileSync(zig, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const found = checkBinary(file, { platform, libc }, MAX_BYTES);
  writeChecksum(file);
  process.stdout.write(`${file}: ${found.join(', ')}\n`);
}

/** What other systems have instead is named so. */
function sources() {
  return readdirSync(SOURCES).filter((name) => /(?<!_portable|_poll)\.cc$/.test(name));
}

function nodeHeaders() {
  const root = process.env.npm_config_nodedir ?? dirname(dirname(process.execPath));
  const folder = join(root, 'include/node');
  if (existsSync(join(folder, 'node_api.h'))) return folder;
  throw new Error(`no headers of Node in ${folder}: npm_config_nodedir tells where they are`);
}

try {
  const named = process.argv.slice(2);
  for (const target of named.length > 0 ? named : Object.keys(TARGETS)) build(target);
} catch (error) {
  process.stderr.write(`build:prebuilds: ${error.message}\n`);
  process.exitCode = 1;
}
