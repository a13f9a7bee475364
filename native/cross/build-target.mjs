/**
 * `npm run build:target -- linux-arm64-musl …`: the Rust engine for other systems, as
 * `native/artifacts/warren.<target>.node` with its checksum beside it. Without names: all that this
 * machine can build.
 *
 * Linux and FreeBSD are built on Linux by zig, which brings their C libraries, so that every Linux
 * addon runs on glibc 2.28 or on musl, wherever it was built. macOS and Windows build their own, as a
 * release does. On Linux zig builds macOS, too, and `win32-x64-gnu`: no release has that one, it shows
 * that the code links for Windows.
 *
 * --check  on Linux: whether the Rust and C code compiles for them; nothing is linked, nothing made
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeChecksum } from '../checksum.mjs';
import { binaryName, ROOT, TARGETS } from '../packages/targets.mjs';
import { checkBinary, GLIBC_FLOOR } from './binary.mjs';
import { CACHE, provideZig } from './zig.mjs';

const MAX_BYTES = 4 * 1024 * 1024;
const ARTIFACTS = join(ROOT, 'native/artifacts');

const STAND_IN = {
  triple: 'x86_64-pc-windows-gnu',
  name: 'win32-x64-gnu',
  platform: 'win32',
  arch: 'x64',
  file: `${binaryName}.win32-x64-gnu.node`,
};

function selectTargets(names) {
  if (names.length === 0) return TARGETS.filter((target) => whyNot(target) === undefined);
  const known = [...TARGETS, STAND_IN];
  return names.map((name) => {
    const target = known.find((one) => one.name === name);
    if (target === undefined) {
      throw new Error(`no target ${name}; there are ${known.map((one) => one.name).join(', ')}`);
    }
    const reason = whyNot(target);
    if (reason !== undefined) throw new Error(`${name} cannot be built here: ${reason}`);
    return target;
  });
}

/** Why this machine cannot build it. */
function whyNot({ platform, triple }) {
  if (process.platform === 'linux') {
    return triple.endsWith('-msvc') ? 'it is built on Windows, with Visual Studio' : undefined;
  }
  return platform === process.platform ? undefined : `it is built on ${platform} or on Linux`;
}

function build(target) {
  provideStandardLibrary(target.triple);
  const useZig = process.platform === 'linux';
  const words = [useZig ? 'zigbuild' : 'build', '--release', ...packageFor(target, useZig)];
  return cargo(words, environmentFor(target, useZig));
}

function check(target) {
  if (process.platform !== 'linux') throw new Error('--check needs zig, which is used on Linux');
  provideStandardLibrary(target.triple);
  const { error, status } = spawnSync('cargo-zigbuild', ['check', ...packageFor(target, true)], {
    cwd: ROOT,
    env: environmentFor(target, true),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined || status !== 0)
    throw new Error(`it does not compile for ${target.name}`);
}

function packageFor({ triple, libc }, useZig) {
  const version = useZig && libc === 'glibc' ? `.${GLIBC_FLOOR}` : '';
  return ['--package', 'warren-napi', '--target', `${triple}${version}`];
}

function environmentFor({ triple }, useZig) {
  return { ...process.env, ...(useZig && provideZig().env), ...flagsOf(triple) };
}

/** cargo's own words go to the terminal; what it made is in its messages. */
function cargo(args, env) {
  const program = process.env.CARGO || 'cargo';
  const { error, status, stdout } = spawnSync(
    program,
    [...args, '--message-format=json-render-diagnostics'],
    { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (error !== undefined) throw new Error(`no ${program}: https://rustup.rs`);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${status}`);
  const files = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'warren_napi')
    .flatMap(({ filenames }) => filenames);
  return files.find((file) => /\.(so|dylib|dll)$/.test(file));
}

function flagsOf(triple) {
  // For one target only, so they do not reach build scripts.
  const flags = (...added) => ({ RUSTFLAGS: [process.env.RUSTFLAGS ?? '', ...added].join(' ') });
  // A library for musl's Node uses the musl that is there.
  if (triple.endsWith('-musl')) return flags('-C target-feature=-crt-static');
  // Without the redistributable package of Visual C++, which users may lack.
  if (triple.endsWith('-msvc')) return flags('-C target-feature=+crt-static');
  if (triple !== STAND_IN.triple) return {};
  // napi-build links one for GNU. Nothing of it is used: the addon finds Node's functions as it is loaded.
  const folder = join(CACHE, 'libnode');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'libnode.dll'), '');
  writeFileSync(join(folder, 'libnode.a'), '!<arch>\n');
  return { LIBNODE_PATH: folder };
}

function provideStandardLibrary(triple) {
  const { stdout } = spawnSync('rustc', ['--print', 'target-libdir', '--target', triple], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (existsSync(stdout?.trim() ?? '')) return;
  const { error, status } = spawnSync('rustup', ['target', 'add', triple], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (error !== undefined || status !== 0) {
    throw new Error(
      `Rust's standard library for ${triple} cannot be had: rustup target add ${triple}`,
    );
  }
}

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
});

try {
  for (const target of selectTargets(positionals)) {
    if (values.check) {
      check(target);
      continue;
    }
    const built = build(target);
    const found = checkBinary(built, target, MAX_BYTES);
    mkdirSync(ARTIFACTS, { recursive: true });
    const file = join(ARTIFACTS, target.file);
    copyFileSync(built, file);
    writeChecksum(file);
    process.stdout.write(`${file}: ${found.join(', ')}\n`);
  }
} catch (error) {
  process.stderr.write(`build:target: ${error.message}\n`);
  process.exitCode = 1;
}
