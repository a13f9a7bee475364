/**
 * What `npm run build` and `npm run build:native` say where something is missing: run in a copy, over
 * tools that are scripts of a few lines.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FILES = [
  'Cargo.toml',
  'package.json',
  'native/build.mjs',
  'native/toolchain.mjs',
  'native/napi/require-cargo.mjs',
];
/** As `EX_UNAVAILABLE` of sysexits.h. */
const UNAVAILABLE = 69;
const EVERYTHING = {
  cargo: 'echo "cargo 1.89.0 (c24e10642 2025-06-23)"',
  cc: '',
  'c++': '',
  python3: '',
  make: '',
  npm: '',
};

let copy: string;
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'warren-build-'));
  for (const file of FILES) {
    mkdirSync(join(copy, dirname(file)), { recursive: true });
    copyFileSync(join(ROOT, file), join(copy, file));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});
afterEach(() => rmSync(copy, { recursive: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** With these programs and no others; each is the body of a shell script. */
function run(script: string, programs: Readonly<Record<string, string>>, env = {}): Ended {
  const bin = join(copy, 'bin');
  mkdirSync(bin);
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return spawnSync(process.execPath, [join(copy, script)], {
    env: { PATH: bin, TMPDIR: tmpdir(), ...env },
    encoding: 'utf8',
  });
}

function without(...names: (keyof typeof EVERYTHING)[]): Record<string, string> {
  const left = Object.entries(EVERYTHING).filter(([name]) => !names.some((it) => it === name));
  return Object.fromEntries(left);
}

/** The result of each part, from the table at the end. */
function table(stdout: string): Record<string, string> {
  const rows = stdout.slice(stdout.lastIndexOf('typescript ')).matchAll(/^(\S+) +(.+)$/gm);
  return Object.fromEntries(Array.from(rows, ([, name = '', result = '']) => [name, result]));
}

describe.skipIf(process.platform === 'win32')('npm run build:native', () => {
  const check = (programs: Record<string, string>, env = {}): Ended =>
    run('native/napi/require-cargo.mjs', programs, env);

  it('begins in silence where everything is there', () => {
    expect(check(EVERYTHING)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  it('takes the cargo that is given', () => {
    const { cargo, ...others } = EVERYTHING;
    const given = { ...others, 'my-cargo': cargo };
    expect(check(given, { CARGO: 'my-cargo' })).toMatchObject({ status: 0, stderr: '' });
  });

  it.each<[string, Record<string, string>, string]>([
    ['no cargo', without('cargo'), 'no cargo: https://rustup.rs'],
    [
      'a cargo without a toolchain',
      { ...EVERYTHING, cargo: 'echo "error: rustup could not choose" >&2; exit 1' },
      'cargo does not work (error: rustup could not choose): https://rustup.rs',
    ],
    [
      'a cargo that is too old',
      { ...EVERYTHING, cargo: 'echo "cargo 1.9.9 (abc 2016-01-01)"' },
      'cargo is 1.9.9, 1.89 or newer is needed (rust-version): rustup update, https://rustup.rs',
    ],
    ['no C compiler', without('cc'), 'no C compiler (no cc): Debian: apt install build-essential'],
    [
      'a C compiler without its headers',
      { ...EVERYTHING, cc: 'echo "stdlib.h: No such file" >&2; exit 1' },
      'no C compiler (cc cannot make a program: stdlib.h: No such file): Debian',
    ],
  ])('says in one line: %s', (_what, programs, words) => {
    const { status, stderr } = check(programs);
    expect(status).toBe(UNAVAILABLE);
    expect(stderr).toContain(words);
    expect(stderr).toMatch(/^build:native: [^\n]+; warren works without it[^\n]+\n$/);
  });

  it.each(['1.89.0', '1.90.1-nightly', '2.0.0'])('takes cargo %s', (version) => {
    expect(check({ ...EVERYTHING, cargo: `echo "cargo ${version}"` }).status).toBe(0);
  });
});

describe.skipIf(process.platform === 'win32')('npm run build', () => {
  const build = (programs: Record<string, string>): Ended => run('native/build.mjs', programs);

  it('builds every part that it can', () => {
    const { status, stdout } = build({ ...EVERYTHING, npm: 'echo "ran $*"' });
    expect(status).toBe(0);
    expect(stdout).toContain('ran run --silent build:native');
    expect(stdout).toContain('ran run --silent build:addon');
    expect(table(stdout)).toEqual({
      typescript: 'built: dist',
      rust: expect.stringMatching(/^built in \d+ s: native\/warren\.node$/),
      addon: expect.stringMatching(/^built in \d+ s: build\/Release\/warren_addon\.node$/),
    });
  });

  it('names what it cannot build, and that is no failure', () => {
    const { status, stdout } = build(without('cargo', 'cc', 'c++', 'make', 'python3', 'npm'));
    expect(status).toBe(0);
    expect(table(stdout)).toEqual({
      typescript: 'built: dist',
      rust: 'not built: no cargo: https://rustup.rs',
      addon: expect.stringMatching(
        /^not built: no C\+\+20 compiler \(no c\+\+, no g\+\+, no clang/,
      ),
    });
  });

  it('builds the addon where only cargo is missing', () => {
    const { status, stdout } = build(without('cargo'));
    expect(status).toBe(0);
    expect(table(stdout)).toMatchObject({
      rust: expect.stringMatching(/^not built: no cargo/),
      addon: expect.stringMatching(/^built/),
    });
  });

  it.each(['python3', 'make'] as const)('the addon needs %s', (name) => {
    const { status, stdout } = build(without(name));
    expect(status).toBe(0);
    expect(table(stdout)['addon']).toMatch(new RegExp(`^not built: no ${name}`));
  });

  it('builds the addon with the compiler that is there', () => {
    const clang = { ...without('c++'), 'clang++': '', npm: 'echo "$3: $CXX"' };
    expect(build(clang).stdout).toContain('build:addon: clang++');
  });

  it('takes what a part itself finds missing as missing', () => {
    const npm =
      'case "$3" in build:addon) echo "one" >&2; echo "build:addon: no headers" >&2; exit 69;; esac';
    const { status, stdout, stderr } = build({ ...EVERYTHING, npm });
    expect(status).toBe(0);
    expect(stderr).toBe('one\nbuild:addon: no headers\n');
    expect(table(stdout)['addon']).toBe('not built: no headers');
  });

  it('fails where a part can be built and its build fails, after the other parts', () => {
    const npm = 'case "$3" in build:native) echo "error[E0308]" >&2; exit 101;; esac';
    const { status, stdout, stderr } = build({ ...EVERYTHING, npm });
    expect(status).toBe(1);
    expect(stderr).toContain('error[E0308]');
    expect(table(stdout)).toMatchObject({
      rust: 'FAILED (npm run build:native, exit code 101)',
      addon: expect.stringMatching(/^built/),
    });
  });
});
