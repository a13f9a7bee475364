/**
 * What a native build needs, tried out rather than looked for: compilers make a small program, because
 * one without its headers or linker, or a stub that only offers to install one, builds nothing.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';

/**
 * Exit code of a build that lacks something and says so in the last line of stderr: EX_UNAVAILABLE of
 * sysexits.h. Any other but 0 is a build that failed.
 */
export const UNAVAILABLE = 69;

const RUSTUP = 'https://rustup.rs';
const COMPILERS =
  'Debian: apt install build-essential; Alpine: apk add build-base; macOS: xcode-select --install';
const OLDEST_PYTHON = [3, 8];

/** Undefined, or what the Rust engine's build lacks and what to install. */
export function lacksForRust() {
  // The variable is that of @napi-rs/cli.
  const cargo = run([process.env.CARGO || 'cargo', '--version']);
  if (cargo.error !== undefined) return `no cargo: ${RUSTUP}`;
  if (cargo.status !== 0) return `cargo does not work (${cargo.words}): ${RUSTUP}`;
  const version = /\d+(?:\.\d+)+/.exec(cargo.stdout)?.[0] ?? '';
  const oldest = oldestRust();
  if (isOlder(version, oldest)) {
    const which = version === '' ? 'of an unknown version' : version;
    return `cargo is ${which}, ${oldest} or newer is needed (rust-version): rustup update, ${RUSTUP}`;
  }
  // The crate `cc` and rustc find Visual Studio by themselves.
  if (process.platform === 'win32') return undefined;
  return compiler(process.env.CC, ['cc'], C).lacks;
}

/** What the C++ addon's build lacks, and what to install; else its compiler. */
export function cppToolchain() {
  if (process.platform === 'win32')
    return { lacks: 'Node’s sockets have no descriptors on Windows' };
  const { command, lacks } = compiler(process.env.CXX, ['c++', 'g++', 'clang++'], CPP);
  if (lacks !== undefined) return { lacks };
  const missing = lacksPython() ?? lacksMake();
  // make would take g++, also where only another one is there.
  return missing === undefined ? { env: { CXX: command } } : { lacks: missing };
}

const C = {
  language: 'C',
  file: 'trial.c',
  flags: [],
  source: '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n',
};
const CPP = {
  language: 'C++20',
  file: 'trial.cc',
  flags: ['-std=c++20'],
  source: '#include <concepts>\nint main() { return std::same_as<int, int> ? 0 : 1; }\n',
};

function compiler(given, names, trial) {
  const candidates = given ? [given] : names;
  const told = [];
  for (const command of candidates) {
    const result = compile(command, trial);
    if (result === undefined) return { command };
    told.push(result);
  }
  return { lacks: `no ${trial.language} compiler (${told.join(', ')}): ${COMPILERS}` };
}

/** Undefined where it works. */
function compile(command, { file, flags, source }) {
  const folder = mkdtempSync(join(tmpdir(), 'warren-trial-'));
  try {
    writeFileSync(join(folder, file), source);
    // The variables hold words, such as `ccache gcc`.
    const words = [...command.trim().split(/\s+/), ...flags, file, '-o', 'trial'];
    const { error, status, words: said } = run(words, folder);
    if (error !== undefined) return `no ${command}`;
    return status === 0 ? undefined : `${command} cannot make a program: ${said}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lacksPython() {
  const { NODE_GYP_FORCE_PYTHON, PYTHON } = process.env;
  const given = NODE_GYP_FORCE_PYTHON || PYTHON;
  const check = `import sys; sys.exit(sys.version_info < (${OLDEST_PYTHON.join(', ')}))`;
  const isThere = (name) => run([name, '-c', check]).status === 0;
  if ((given ? [given] : ['python3', 'python']).some(isThere)) return undefined;
  const needed = `${OLDEST_PYTHON.join('.')} or newer`;
  return `no python3 (${needed}), which node-gyp runs on: Debian: apt install python3`;
}

function lacksMake() {
  const { MAKE } = process.env;
  const names = MAKE ? [MAKE] : ['make', 'gmake'];
  if (names.some((name) => run([name, '--version']).error === undefined)) return undefined;
  return `no make: ${COMPILERS}`;
}

function oldestRust() {
  const manifest = readFileSync(new URL('../Cargo.toml', import.meta.url), 'utf8');
  return parse(manifest).workspace.package['rust-version'];
}

function isOlder(version, oldest) {
  const [own, wanted] = [version, oldest].map((text) => text.split('.').map(Number));
  const at = wanted.findIndex((part, index) => part !== (own[index] ?? 0));
  return at !== -1 && !((own[at] ?? 0) > wanted[at]);
}

function run([command, ...args], cwd) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  const words = `${stderr ?? ''}`.trim().split('\n')[0];
  return { error, status, stdout, words };
}
