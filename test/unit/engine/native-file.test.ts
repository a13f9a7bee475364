import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BINDING_FILE } from '../../../ts/engine/load-binding.ts';
import { checkNativeFile } from '../../../ts/engine/native-file.ts';
import { readNativeFormat } from '../../../ts/engine/native-format.ts';
import type { Machine } from '../../../ts/engine/platform.ts';
import {
  elf,
  fatMachO,
  MACHO_ARM64,
  MACHO_X64,
  machO,
  PE_ARM64,
  PE_X64,
  pe,
} from '../../helpers/native-images.ts';
import { RUST } from '../../helpers/rust-binding.ts';

const LINUX = machine('linux', 'x64', 'glibc');

function machine(platform: string, arch: string, libc?: Machine['libc']): Machine {
  return { platform, arch, libc, armVersion: undefined };
}

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'warren-native-'));
});
beforeEach(() => {
  file = join(folder, 'x.node');
  rmSync(file, { recursive: true, force: true });
  rmSync(`${file}.sha256`, { recursive: true, force: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is told of a file with these bytes, without its path. */
function problem(bytes: Uint8Array | string, here: Machine = LINUX): string | undefined {
  writeFileSync(file, bytes);
  const reason = checkNativeFile(file, here);
  expect(reason?.startsWith(`${file} `) ?? true).toBe(true);
  return reason?.slice(file.length + 1);
}

describe('what is made for this machine', () => {
  it.each([
    ['linux x64', elf(), LINUX],
    ['glibc', elf({ needed: ['libgcc_s.so.1', 'libc.so.6'] }), LINUX],
    ['musl of Alpine', elf({ needed: ['libc.musl-x86_64.so.1'] }), machine('linux', 'x64', 'musl')],
    ['musl of others', elf({ needed: ['libc.so'] }), machine('linux', 'x64', 'musl')],
    ['linux arm64', elf({ machine: 183 }), machine('linux', 'arm64', 'glibc')],
    ['linux arm', elf({ machine: 40, bits: 32 }), machine('linux', 'arm', 'glibc')],
    ['linux s390x', elf({ machine: 22, isLittle: false }), machine('linux', 's390x', 'glibc')],
    ['freebsd', elf({ needed: ['libc.so.7'] }), machine('freebsd', 'x64')],
    ['android', elf({ machine: 183, needed: ['libc.so'] }), machine('android', 'arm64')],
    ['a processor that Node has a name for and we have not', elf(), machine('linux', 'vax')],
    ['macOS x64', machO(MACHO_X64), machine('darwin', 'x64')],
    ['a bundle of macOS', machO(MACHO_ARM64, 8), machine('darwin', 'arm64')],
    ['macOS, both', fatMachO(MACHO_X64, MACHO_ARM64), machine('darwin', 'arm64')],
    ['windows x64', pe(PE_X64), machine('win32', 'x64')],
    ['windows arm64', pe(PE_ARM64), machine('win32', 'arm64')],
  ])('is right: %s', (_, bytes, here) => {
    expect(problem(bytes, here)).toBeUndefined();
    expect(readNativeFormat(bytes)?.length).toBe(bytes.length);
  });
});

describe('what is made for another machine', () => {
  it.each([
    [elf({ machine: 183 }), LINUX, 'is built for arm64, this is x64'],
    [elf({ machine: 40, bits: 32 }), LINUX, 'is built for arm, this is x64'],
    [elf({ bits: 32 }), LINUX, 'is built for ELF machine 62 32 LE, this is x64'],
    [elf({ isLittle: false }), LINUX, 'is built for ELF machine 62 64 BE, this is x64'],
    [elf({ machine: 4711 }), LINUX, 'is built for ELF machine 4711 64 LE, this is x64'],
    [elf({ needed: ['libc.so'] }), LINUX, 'is built for musl, this system has glibc'],
    [
      elf({ needed: ['libc.so.6'] }),
      machine('linux', 'x64', 'musl'),
      'is built for glibc, this system has musl',
    ],
    [machO(MACHO_X64), LINUX, 'is built for macOS, this is linux'],
    [pe(PE_X64), LINUX, 'is built for Windows, this is linux'],
    [elf(), machine('win32', 'x64'), 'is built for Linux or BSD, this is win32'],
    [elf(), machine('darwin', 'x64'), 'is built for Linux or BSD, this is darwin'],
    [machO(MACHO_X64), machine('darwin', 'arm64'), 'is built for x64, this is arm64'],
    [fatMachO(7, MACHO_X64), machine('darwin', 'arm64'), /^is built for .* and x64, this is arm64/],
    [pe(PE_ARM64), machine('win32', 'x64'), 'is built for arm64, this is x64'],
  ])('%# is refused', (bytes, here, reason) => {
    expect(problem(bytes, here)).toMatch(reason);
  });
});

describe('what is no library', () => {
  it.each([
    ['text', "is no shared library: it begins with 'text'"],
    ['<!DOCTYPE html><title>', "is no shared library: it begins with '<!DOCTYPE html><'"],
    ['\n\r\0', String.raw`is no shared library: it begins with '\n\r\x00'`],
    ['MZ'.padEnd(200, 'x'), /^is (no shared library|cut short or damaged)/],
    [elf({ type: 2 }), 'is no shared library'],
    [machO(MACHO_X64, 2), 'is no shared library'],
    [pe(PE_X64, 0x0102), 'is no shared library'],
    // A class of Java begins like a file of macOS.
    [Buffer.from('cafebabe00000041', 'hex'), 'is no shared library'],
    ['', 'is empty'],
  ])('%# is refused', (bytes, reason) => {
    expect(problem(bytes)).toMatch(reason);
  });
});

describe('what is cut short', () => {
  it.each([
    ['ELF', elf({ needed: ['libc.so.6'] }), LINUX],
    ['ELF of 32 bits', elf({ machine: 40, bits: 32 }), machine('linux', 'arm', 'glibc')],
    ['Mach-O', machO(MACHO_X64), machine('darwin', 'x64')],
    ['fat Mach-O', fatMachO(MACHO_X64, MACHO_ARM64), machine('darwin', 'x64')],
    ['PE', pe(PE_X64), machine('win32', 'x64')],
  ])('is refused wherever it ends: %s', (_, bytes, here) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(problem(bytes.subarray(0, length), here), `${length} bytes`).toMatch(
        /^is (empty|no shared library|cut short)/,
      );
    }
  });

  it('says how much is left of how much', () => {
    const bytes = elf();
    const left = bytes.length - 1;
    expect(problem(bytes.subarray(0, left))).toBe(
      `is cut short: it has ${left} bytes of ${bytes.length}`,
    );
  });

  it.skipIf(RUST === undefined)('is refused wherever it ends: the real one', () => {
    const bytes = readFileSync(BINDING_FILE);
    expect(checkNativeFile(BINDING_FILE)).toBeUndefined();
    const lengths = [1, 4, 63, 64, 500, 4_095, 4_096, bytes.length >> 1, bytes.length - 1];
    for (const length of lengths) expect(problem(bytes.subarray(0, length))).toBeDefined();
  });
});

it('does not count commands that have no length', () => {
  const bytes = machO(MACHO_X64);
  bytes.writeUInt32LE(0xffff_ffff, 16);
  bytes.writeUInt32LE(0, 36);
  expect(problem(bytes, machine('darwin', 'x64'))).toMatch(/^is cut short or damaged/);
});

it('outlives any bytes', () => {
  const images = [elf({ needed: ['libc.so.6'] }), machO(MACHO_X64), fatMachO(7, 8), pe(PE_X64)];
  const change = fc.record({ at: fc.nat(400), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.constantFrom(...images), fc.array(change), (image, changes) => {
      const bytes = Buffer.from(image);
      for (const { at, value } of changes) bytes[at % bytes.length] = value;
      const reason = problem(bytes);
      expect(reason ?? 'right').not.toContain('\n');
    }),
  );
});

describe('what cannot be read', () => {
  it('is not there', () => {
    expect(checkNativeFile(file)).toBe(`${file} cannot be read: ENOENT: no such file or directory`);
  });

  it('is a directory', () => {
    mkdirSync(file);
    expect(checkNativeFile(file)).toBe(`${file} is a directory`);
  });

  it('is a link to nothing, or to itself', () => {
    symlinkSync(join(folder, 'absent'), file);
    expect(checkNativeFile(file)).toBe(`${file} is a link to nothing`);
    rmSync(file);
    symlinkSync(file, file);
    expect(checkNativeFile(file)).toMatch(/ cannot be read: ELOOP: [^/]*$/);
  });

  it.skipIf(process.platform === 'win32')('is no file, and might never end', () => {
    symlinkSync('/dev/zero', file);
    expect(checkNativeFile(file)).toBe(`${file} is no regular file`);
  });
});

describe('a checksum beside it', () => {
  const SUM = createHash('sha256').update(elf()).digest('hex');

  function withChecksum(text: string): string | undefined {
    writeFileSync(`${file}.sha256`, text);
    return problem(elf());
  }

  it.each([`${SUM}  x.node\n`, `${SUM} *x.node\r\n`, SUM, SUM.toUpperCase()])(
    'that is right changes nothing: %j',
    (text) => expect(withChecksum(text)).toBeUndefined(),
  );

  it('that is another one is the reason, with both', () => {
    expect(withChecksum(`${'0'.repeat(64)}  x.node\n`)).toBe(
      `is not what was built: its SHA-256 is ${SUM.slice(0, 16)}…, ${file}.sha256 says ${'0'.repeat(16)}…`,
    );
  });

  it('finds one changed bit', () => {
    writeFileSync(`${file}.sha256`, `${SUM}  x.node\n`);
    const bytes = elf();
    bytes[bytes.length - 1] = 1;
    expect(problem(bytes)).toContain('is not what was built');
  });

  it.each(['', 'not a checksum', SUM.slice(1), `${SUM}0`, `\n${SUM}`])(
    'that is none is the reason: %j',
    (text) => {
      writeFileSync(file, elf());
      writeFileSync(`${file}.sha256`, text);
      expect(checkNativeFile(file, LINUX)).toBe(`${file}.sha256 has no SHA-256 in it`);
    },
  );

  it('that cannot be read is the reason', () => {
    writeFileSync(file, elf());
    mkdirSync(`${file}.sha256`);
    expect(checkNativeFile(file, LINUX)).toBe(`${file}.sha256 is a directory`);
  });

  it('is not asked where the header says enough', () => {
    writeFileSync(`${file}.sha256`, 'not a checksum');
    expect(problem(elf({ machine: 183 }))).toBe('is built for arm64, this is x64');
  });
});
