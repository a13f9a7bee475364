import { parseTriple } from '@napi-rs/cli';
import { expect, it } from 'vitest';
import napi from '../../../native/napi/napi.json' with { type: 'json' };
import { type Machine, PREBUILT, platformOf, thisMachine } from '../../../ts/engine/platform.ts';

function machine(platform: string, arch: string, rest: Partial<Machine> = {}): Machine {
  return { platform, arch, libc: undefined, armVersion: undefined, ...rest };
}

it.each([
  [machine('linux', 'x64', { libc: 'glibc' }), 'linux-x64-gnu'],
  [machine('linux', 'x64', { libc: 'musl' }), 'linux-x64-musl'],
  [machine('linux', 'arm64', { libc: 'glibc' }), 'linux-arm64-gnu'],
  [machine('linux', 'arm64', { libc: 'musl' }), 'linux-arm64-musl'],
  [machine('linux', 'arm', { libc: 'glibc', armVersion: '7' }), 'linux-arm-gnueabihf'],
  [machine('linux', 'arm', { libc: 'glibc' }), 'linux-arm-gnueabihf'],
  [machine('darwin', 'x64'), 'darwin-x64'],
  [machine('darwin', 'arm64'), 'darwin-arm64'],
  [machine('win32', 'x64'), 'win32-x64-msvc'],
  [machine('win32', 'arm64'), 'win32-arm64-msvc'],
  [machine('freebsd', 'x64'), 'freebsd-x64'],
])('%j has a package', (here, name) => {
  expect(platformOf(here)).toEqual({ name, enginePackage: `@warren-tunnel/engine-${name}` });
});

it.each([
  [machine('linux', 'arm', { libc: 'glibc', armVersion: '6' }), 'linux-arm-gnueabihf (ARMv6)'],
  [machine('linux', 'arm', { libc: 'musl', armVersion: '7' }), 'linux-arm-musleabihf'],
  [machine('linux', 'riscv64', { libc: 'glibc' }), 'linux-riscv64-gnu'],
  [machine('win32', 'ia32'), 'win32-ia32-msvc'],
  [machine('android', 'arm64'), 'android-arm64'],
  [machine('aix', 'ppc64'), 'aix-ppc64'],
])('%j has none', (here, name) => {
  expect(platformOf(here)).toEqual({ name, enginePackage: undefined });
});

it('has names for what is built, and for nothing else', () => {
  const built = napi.targets.map((target) => parseTriple(target).platformArchABI);
  expect(PREBUILT.toSorted()).toEqual(built.toSorted());
  expect(platformOf(machine('darwin', 'x64')).enginePackage).toBe(`${napi.packageName}-darwin-x64`);
});

it('knows this machine', () => {
  const { platform, arch, libc } = thisMachine();
  expect({ platform, arch }).toEqual({ platform: process.platform, arch: process.arch });
  expect(libc === undefined).toBe(process.platform !== 'linux');
});
