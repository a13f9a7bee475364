/**
 * Finds the C++ addon, by the rules of node-gyp-build: `build/Release`, then what is prebuilt for this
 * platform in `prebuilds`. Before anything relies on it, it is made sure of like the Rust one.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
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
  /** Why another one was not taken, though it is there. */
  readonly passedOver: readonly string[];
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

/** Never throws. */
export function tryAddon(source: AddonSource): LoadedAddon | NoAddon {
  const { folder, machine = thisMachine() } = source;
  if (machine.platform === 'win32') {
    return { reason: "cannot be: Node's sockets have no descriptors on Windows", broken: false };
  }
  const passedOver: string[] = [];
  for (const file of candidates(folder, machine)) {
    const result = tryFile(file, source);
    if (typeof result !== 'string') return { binding: result, file, passedOver };
    passedOver.push(result);
  }
  if (passedOver.length > 0) return { reason: passedOver.join('; '), broken: true };
  const places = `build/Release and prebuilds of ${folder}`;
  const { name } = platformOf(machine);
  return { reason: `not built for ${name} (nothing in ${places}): ${REMEDY}`, broken: false };
}

const REMEDY =
  'npm run build:addon in the folder of warren makes it (needs a C++20 compiler, make and python3)';

/**
 * The first is node-gyp-build's. It gives no second one, and takes for musl what is Alpine, and no other
 * system: so what is prebuilt for this machine is named here as well.
 */
function candidates(folder: string, { platform, arch, libc }: Machine): readonly string[] {
  const name = libc === undefined ? 'warren.node' : `warren.${libc}.node`;
  const prebuilt = join(folder, 'prebuilds', `${platform}-${arch}`, name);
  const found = findAddon(folder);
  const isBuiltHere = found?.startsWith(join(folder, 'build')) === true;
  if (!existsSync(prebuilt)) return found === undefined ? [] : [found];
  return isBuiltHere ? [found, prebuilt] : [prebuilt];
}

function findAddon(folder: string): string | undefined {
  try {
    const { resolve } = require('node-gyp-build') as { resolve(folder: string): string };
    return resolve(folder);
  } catch {
    // Its text is for developers.
    return undefined;
  }
}

/** The addon, or why not. */
function tryFile(
  file: string,
  { version, load, machine = thisMachine() }: AddonSource,
): AddonBinding | string {
  const problem = checkNativeFile(file, machine);
  if (problem !== undefined) return `${problem}: ${REMEDY}`;
  try {
    const binding = load(file);
    const reason = reasonAgainst(binding, version);
    return reason === undefined ? (binding as AddonBinding) : `${file} ${reason}`;
  } catch (error) {
    return `${file} cannot be loaded: ${oneLine(errorText(error))}`;
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
