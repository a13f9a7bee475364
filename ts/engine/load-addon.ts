/**
 * Finds the C++ addon, by the rules of node-gyp-build: `build/Release`, then what is prebuilt for this
 * platform in `prebuilds`. Before anything relies on it, it is made sure of like the Rust one.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AddonBinding } from '../dataplane/relay-thread.ts';
import { errorText } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { checkNativeFile } from './native-file.ts';
import { type Machine, platformOf, thisMachine } from './platform.ts';
import { oneLine } from './try-binding.ts';

export interface LoadedAddon {
  readonly binding: AddonBinding;
  readonly file: string;
}

export interface NoAddon {
  readonly reason: string;
  /** Something is there and is of no use; else nothing is there. */
  readonly broken: boolean;
}

/** What is looked for, and how; tests have their own. */
export interface AddonSource {
  /** A package's folder. */
  readonly folder: string;
  /** The only one that is taken. */
  readonly version: string;
  readonly machine?: Machine;
  load(file: string): unknown;
}

const PACKAGE: string = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);

let loaded: LoadedAddon | undefined;

/** The addon, the same for the whole process; only success is remembered. */
export function loadAddon(): LoadedAddon | NoAddon {
  if (loaded !== undefined) return loaded;
  const result = tryAddon({ folder: PACKAGE, version: packageVersion(), load: require });
  if ('binding' in result) loaded = result;
  return result;
}

export function tryAddon(source: AddonSource): LoadedAddon | NoAddon {
  const { folder, version, load, machine = thisMachine() } = source;
  if (machine.platform === 'win32') {
    return { reason: "cannot be: Node's sockets have no descriptors on Windows", broken: false };
  }
  let file = folder;
  try {
    const found = findAddon(folder, machine);
    if (found === undefined) {
      const { name } = platformOf(machine);
      return { reason: `not built for ${name} (nothing in ${folder}): ${REMEDY}`, broken: false };
    }
    file = found;
    const problem = checkNativeFile(file, machine);
    if (problem !== undefined) return { reason: `${problem}: ${REMEDY}`, broken: true };
    const binding = load(file);
    const reason = reasonAgainst(binding, version);
    return reason === undefined
      ? { binding: binding as AddonBinding, file }
      : { reason: `${file} ${reason}`, broken: true };
  } catch (error) {
    // Where a library is not there, who asked for it follows.
    const text = oneLine(errorText(error).split('\nRequire stack:')[0] ?? '');
    return { reason: `${file} cannot be loaded: ${text}: ${REMEDY}`, broken: true };
  }
}

const REMEDY =
  'npm run build:addon in the folder of warren makes it (needs a C++20 compiler, make and python3)';

/** @throws Error when node-gyp-build itself is not there. */
function findAddon(folder: string, { libc }: Machine): string | undefined {
  const { resolve } = require('node-gyp-build') as { resolve(folder: string): string };
  let file: string;
  try {
    file = resolve(folder);
  } catch {
    // Its text is for developers.
    return undefined;
  }
  // It takes for musl what is Alpine, and no other system.
  const forMusl = file.replace(/\.glibc\.node$/, '.musl.node');
  return libc === 'musl' && existsSync(forMusl) ? forMusl : file;
}

/** One of another version may have other functions, so only what tells the version is asked for. */
function reasonAgainst(binding: unknown, version: string): string | undefined {
  if (!isObject(binding) || typeof binding['version'] !== 'function') {
    return `is not warren's addon: ${REMEDY}`;
  }
  const found: unknown = binding['version']();
  if (found !== version) return `is of version ${found}, warren of ${version}: ${REMEDY}`;
  if (typeof binding['probe'] !== 'function' || typeof binding['RelayThread'] !== 'function') {
    return `is older than this warren: ${REMEDY}`;
  }
  const failure: unknown = binding['probe']();
  return failure === null ? undefined : `does not work here: ${failure}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
