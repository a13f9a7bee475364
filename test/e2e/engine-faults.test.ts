/**
 * Native files that are damaged, for another machine or of another version, in real installations and
 * real processes: the next engine runs, the reason is told in one line, and nothing crashes.
 */
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { thisMachine } from '../../ts/engine/platform.ts';
import { packageVersion } from '../../ts/package-version.ts';
import { ADDON } from '../helpers/addon-binding.ts';
import { CLI, CliWorld } from '../helpers/cli.ts';
import { elf, MACHO_X64, machO, PE_X64, pe } from '../helpers/native-images.ts';
import { ENGINE_PACKAGE, PackageCopy } from '../helpers/package-copy.ts';
import { RUST } from '../helpers/rust-binding.ts';

const VERSION = packageVersion();
const CONFIG = '[server]\nbind_addr = "127.0.0.1:0"\ndefault_token = "t"\nservices = {}\n';
const { platform, arch, libc } = thisMachine();
const IS_ELF = platform !== 'darwin' && platform !== 'win32';

/** Somebody to whom files can be forbidden, which root is not. */
const READER: SpawnSyncOptions = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const CAN_FORBID = platform !== 'win32' && run(CLI, ['--version'], {}, READER).status === 0;

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

function run(cli: string, args: readonly string[], env = {}, options: SpawnSyncOptions = {}) {
  return spawnSync(process.execPath, [cli, ...args], {
    ...options,
    env: { ...process.env, WARREN_ENGINE: 'auto', ...env },
    encoding: 'utf8',
    timeout: 30_000,
  });
}

/** Runs on another engine, and says why not on this one and what to do. */
function expectNext(cli: string, reason: RegExp, options: SpawnSyncOptions = {}): string {
  const { status, signal, stdout, stderr } = run(cli, ['--version', '--verbose'], {}, options);
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  expect(stdout).toMatch(/^engine +typescript$/m);
  const told = stdout.split('\n').filter((line) => /^not used +rust: /.test(line));
  expect(told).toEqual([expect.stringMatching(reason)]);
  return told[0] ?? '';
}

/** Does not start where this engine is demanded, and says why. */
function expectRefusal(cli: string, reason: RegExp, options: SpawnSyncOptions = {}): void {
  const file = world.file('server.toml', CONFIG);
  const { status, signal, stderr } = run(cli, [file], { WARREN_ENGINE: 'rust' }, options);
  expect({ status, signal }).toEqual({ status: 1, signal: null });
  expect(stderr).toMatch(reason);
  expect(stderr).toContain('WARREN_ENGINE=rust: ');
}

function expectRust(cli: string): void {
  const { status, stdout } = run(cli, ['--version', '--verbose'], { WARREN_ENGINE: 'rust' });
  expect(stdout).toMatch(/^engine +rust$/m);
  expect(stdout).not.toContain('not used');
  expect(status).toBe(0);
}

/** As `sha256sum` writes it. */
function writeChecksum(file: string): void {
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex');
  writeFileSync(`${file}.sha256`, `${sum}  warren.node\n`);
}

function change(file: string, at: number, ...bytes: number[]): void {
  const content = readFileSync(file);
  content.set(bytes, at);
  writeFileSync(file, content);
}

function link(target: string, file: string): void {
  rmSync(file);
  symlinkSync(target, file);
}

/** In the identification of an ELF file: nothing reads it, so nothing but a checksum finds it changed. */
const PADDING = 12;

/** Changes one bit, `part` of the way through the file; at its begin, in the padding. */
function flip(file: string, part: number): void {
  const at = part === 0 ? PADDING : Math.floor((statSync(file).size - 1) * part);
  change(file, at, (readFileSync(file)[at] ?? 0) ^ 1);
}

type Fault = readonly [name: string, inject: (file: string) => void, reason: RegExp];

/** Found without a checksum, which is not there. */
const SHAPES: readonly Fault[] = [
  ['empty', (file) => truncateSync(file), /is empty/],
  ...[1, 63, 64, 1_000, 65_536].map(
    (length): Fault => [
      `cut after ${length} bytes`,
      (file) => truncateSync(file, length),
      /is (cut short|no shared library)/,
    ],
  ),
  [
    'cut by its last byte',
    (file) => truncateSync(file, statSync(file).size - 1),
    /is cut short: it has \d+ bytes of \d+/,
  ],
  ['text', (file) => writeFileSync(file, 'Not found\n'), /no shared library: .*'Not found\\n'/],
  ['garbage', (file) => writeFileSync(file, Buffer.alloc(100_000, 0xa5)), /no shared library/],
  [
    'a directory',
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
    /is a directory/,
  ],
  ['a link to nothing', (file) => link('absent', file), /is a link to nothing/],
  ['a link to itself', (file) => link(file, file), /cannot be read: ELOOP/],
];

/** Of an ELF file. */
const OTHER_MACHINES: readonly Fault[] = [
  [
    'for another processor',
    (file) => change(file, 18, arch === 'arm64' ? 62 : 183, 0),
    arch === 'arm64' ? /is built for x64, this is arm64/ : /is built for arm64, this is /,
  ],
  ['of 32 bits', (file) => change(file, 4, 1), /is built for ELF machine \d+ 32 LE, this is /],
  ['for macOS', (file) => writeFileSync(file, machO(MACHO_X64)), /built for macOS, this is linux/],
  ['for Windows', (file) => writeFileSync(file, pe(PE_X64)), /built for Windows, this is linux/],
  [
    'for another C library',
    (file) => {
      const machine = readFileSync(file).readUInt16LE(18);
      const needed = [libc === 'musl' ? 'libc.so.6' : 'libc.so'];
      writeFileSync(file, elf({ machine, needed }));
    },
    /is built for (musl|glibc), this system has (glibc|musl)/,
  ],
  [
    'all in order but for what is in it',
    (file) => writeFileSync(file, elf({ machine: readFileSync(file).readUInt16LE(18) })),
    /cannot be loaded: ./,
  ],
];

/** Found by the checksum. */
const CHANGES: readonly Fault[] = [
  ...[0, 0.1, 0.5, 0.9, 1].map(
    (part): Fault => [
      `one bit at ${part} of it`,
      (file) => {
        writeChecksum(file);
        flip(file, part);
      },
      /is not what was built: its SHA-256 is [0-9a-f]{16}…, .*\.sha256 says [0-9a-f]{16}…/,
    ],
  ),
  [
    'another checksum',
    (file) => writeFileSync(`${file}.sha256`, `${'0'.repeat(64)}  warren.node\n`),
    /is not what was built: .*\.sha256 says 0{16}…/,
  ],
  ['no checksum in it', (file) => writeFileSync(`${file}.sha256`, '\n'), /\.sha256 has no SHA-256/],
  ['a directory of checksums', (file) => mkdirSync(`${file}.sha256`), /\.sha256 is a directory/],
];

describe.skipIf(RUST === undefined || ENGINE_PACKAGE === undefined)('the platform package', () => {
  let shared: CliWorld;
  let copy: PackageCopy;
  let file: string;
  beforeAll(() => {
    shared = new CliWorld();
    copy = new PackageCopy(shared.folder);
  });
  beforeEach(() => {
    rmSync(copy.enginePackage, { recursive: true, force: true });
    file = copy.putPackage(VERSION);
  });
  afterAll(() => shared.clean());

  it('is taken as it comes, with its checksum', () => {
    expectRust(copy.cli);
    writeChecksum(file);
    expectRust(copy.cli);
  });

  it.each([...SHAPES, ...CHANGES])('is damaged: %s', (_, inject, reason) => {
    inject(file);
    const told = expectNext(copy.cli, reason);
    expect(told.endsWith(`: remove ${copy.enginePackage} and install again`)).toBe(true);
    expectRefusal(copy.cli, reason);
  });

  it.skipIf(!IS_ELF).each(OTHER_MACHINES)('is of no use here: %s', (_, inject, reason) => {
    inject(file);
    expectNext(copy.cli, reason);
    expectRefusal(copy.cli, reason);
  });

  it.each(['0.0.1', '99.0.0'])('is of version %s', (version) => {
    copy.putPackage(version);
    const versions = `${ENGINE_PACKAGE} is of version ${version}, warren of ${VERSION}`;
    const reason = new RegExp(`${versions}: npm install ${ENGINE_PACKAGE}@${VERSION}$`, 'm');
    expectNext(copy.cli, reason);
    expectRefusal(copy.cli, reason);
  });

  it.each(['0.0.1', '99.0.0'])('has another addon in it than warren %s needs', (version) => {
    const folder = join(world.folder, 'other');
    mkdirSync(folder);
    const other = new PackageCopy(folder, version);
    other.putPackage(version);
    const reason = new RegExp(
      `\\.node is of version ${VERSION}, warren of ${version}: npm install`,
    );
    expectNext(other.cli, reason);
    expectRefusal(other.cli, reason);
  });

  it.skipIf(!CAN_FORBID)('may not be read', () => {
    chmodSync(shared.folder, 0o755);
    chmodSync(world.folder, 0o755);
    chmodSync(file, 0);
    expectNext(copy.cli, /cannot be read: EACCES: permission denied: remove /, READER);
    expectRefusal(copy.cli, /cannot be read: EACCES/, READER);
    chmodSync(file, 0o755);
    chmodSync(dirname(file), 0);
    expectNext(copy.cli, /no package|EACCES/, READER);
    chmodSync(dirname(file), 0o755);
  });

  it('may not be loaded, because no addon may', () => {
    const args = ['--no-addons', copy.cli, '--version', '--verbose'];
    const env = { ...process.env, WARREN_ENGINE: 'auto' };
    const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^engine +typescript$/m);
    expect(stdout).toMatch(/^not used +rust: .*cannot be loaded: .*disabled/m);
  });

  it('is exchanged under a running daemon, which stays what it is', async () => {
    const config = world.file('server.toml', CONFIG);
    const daemon = world.start([config], { WARREN_ENGINE: 'rust' }, [], copy.cli);
    await daemon.waitForLog('warren ready');
    writeFileSync(`${file}.new`, 'in the middle of an update');
    renameSync(`${file}.new`, file);
    const service = '[server.services.x]\nbind_addr = "127.0.0.1:0"\n';
    writeFileSync(config, CONFIG.replace('services = {}\n', service));
    await daemon.waitForLog('configuration applied');
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toMatchObject({ code: 0, stderr: '' });
    expectNext(copy.cli, /is no shared library/);
  });

  it.skipIf(ADDON === undefined)('is damaged, and the addon engine runs', () => {
    truncateSync(file, 4_096);
    copy.putFile('build/Release/warren_addon.node');
    const { status, stdout } = run(copy.cli, ['--version', '--verbose']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^engine +addon$/m);
    expect(stdout).toMatch(/^not used +rust: .* is cut short/m);
  });
});

describe.skipIf(RUST === undefined)('what was built in place', () => {
  it.each([...SHAPES.slice(-4), ...CHANGES.slice(0, 2)])('is damaged: %s', (_, inject, reason) => {
    const copy = new PackageCopy(world.folder);
    inject(copy.putLocal());
    const told = expectNext(copy.cli, reason);
    expect(told).toContain(`rust: ${copy.local}`);
    expect(told).toMatch(/: in a clone, npm run build:native makes it \(needs cargo\)$/);
    expectRefusal(copy.cli, reason);
  });

  it.skipIf(ENGINE_PACKAGE === undefined)('is damaged, and the package is taken', async () => {
    const copy = new PackageCopy(world.folder);
    const file = copy.putPackage(VERSION);
    truncateSync(copy.putLocal(), 4_096);
    const { stdout } = run(copy.cli, ['--version', '--verbose']);
    expect(stdout).toMatch(/^engine +rust$/m);
    expect(stdout.split('\n')).toContain(`addon     ${file}`);
    expect(stdout).toMatch(/^not used +rust: .*native\/warren\.node is cut short/m);
    const config = world.file('server.toml', CONFIG);
    const daemon = world.start([config], { WARREN_ENGINE: 'auto' }, [], copy.cli);
    expect(await daemon.waitForLog('engine selected')).toMatchObject({
      level: 'warn',
      engine: 'rust',
      addon: file,
      rejected: [expect.stringContaining('is cut short')],
    });
  });
});
