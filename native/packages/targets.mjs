/**
 * The systems that the Rust engine is prebuilt for, by the names of napi-rs: `targets` in
 * `native/napi/napi.json`, and what follows from them.
 */
import { fileURLToPath } from 'node:url';
import { readNapiConfig } from '@napi-rs/cli';
import { thisMachine } from '../../dist/engine/platform.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const NAPI_CONFIG = fileURLToPath(new URL('../napi/napi.json', import.meta.url));

const { binaryName, packageName, targets } = await readNapiConfig(
  `${ROOT}package.json`,
  NAPI_CONFIG,
);

export { binaryName, packageName };

/** `name` is `linux-x64-gnu`; `file` is what its binary is called, as an artifact and in its package. */
export const TARGETS = targets.map(({ triple, platformArchABI: name, platform, arch, abi }) => ({
  triple,
  name,
  platform,
  arch,
  libc: platform === 'linux' ? (abi === 'musl' ? 'musl' : 'glibc') : undefined,
  packageName: `${packageName}-${name}`,
  file: `${binaryName}.${name}.node`,
}));

/** Where what is built on this machine runs. */
export const HERE = thisMachine();

/** Undefined where this machine is none of them. */
export function targetHere() {
  return TARGETS.find(
    ({ platform, arch, libc }) =>
      platform === HERE.platform && arch === HERE.arch && libc === HERE.libc,
  );
}
