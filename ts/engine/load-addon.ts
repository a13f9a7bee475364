/**
 * Finds the C++ addon, by the rules of node-gyp-build: `build/Release`, then what is prebuilt for this
 * platform in `prebuilds`. Before anything relies on it, it is made sure of like the Rust one.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AddonBinding } from '../dataplane/relay-thread.ts';
import { errorText } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { checkNativeFile } from './native-file.ts';
import { platformOf, thisMachine } from './platform.ts';
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

export function tryAddon({ folder, version, load }: AddonSource): LoadedAddon | NoAddon {
  if (process.platform === 'win32') {
    return { reason: "cannot be: Node's sockets have no descriptors on Windows", broken: false };
  }
  const file = findAddon(folder);
  if (file === undefined) {
    const { name } = platformOf(thisMachine());
    return { reason: `not built for ${name} (nothing in ${folder}): ${REMEDY}`, broken: false };
  }
  const problem = checkNativeFile(file);
  if (problem !== undefined) return { reason: `${problem}: ${REMEDY}`, broken: true };
  try {
    const binding = load(file);
    const reason = reasonAgainst(binding, version);
    return reason === undefined
      ? { binding: binding as AddonBinding, file }
      : { reason: `${file} ${reason}`, broken: true };
  } catch (error) {
    const text = oneLine(errorText(error));
    return { reason: `${file} cannot be loaded: ${text}: ${REMEDY}`, broken: true };
  }
}

const REMEDY =
  'npm run build:addon in the folder of warren makes it (needs a C++20 compiler, make and python3)';

/** node-gyp-build throws where there is nothing, with a text for developers. */
function findAddon(folder: string): string | undefined {
  const { resolve } = require('node-gyp-build') as { resolve(folder: string): string };
  try {
    return resolve(folder);
  } catch {
    return undefined;
  }
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
