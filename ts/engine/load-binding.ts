/**
 * Finds the addon of the Rust engine: the one that was built in this clone goes first, then that of
 * the package for this platform. The first that works is taken. Each that is there and does not work
 * leaves its reason; where there is none, the reason says what was looked for and what to do.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorText } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { checkNativeFile, isThere } from './native-file.ts';
import { type Platform, platformOf, thisMachine } from './platform.ts';
import { type Binding, broken, type NoBinding, oneLine, tryBinding } from './try-binding.ts';

export type { Binding } from './try-binding.ts';

export type LoadedBinding = FoundBinding | NoBinding;

export interface FoundBinding {
  readonly binding: Binding;
  /** Where it really is, behind all links. */
  readonly file: string;
  /** Why the one before this was not taken, though it is there. */
  readonly passedOver: readonly string[];
}

/** A package of warren to find the addon for; tests have their own. */
export interface BindingOwner {
  readonly folder: string;
  readonly version: string;
  readonly platform: Platform;
  /** That of a module inside the package, so that every package manager's layout is searched. */
  readonly require: NodeJS.Require;
}

/** Where it is looked for, and what to do about one that is of no use. */
interface Candidate {
  readonly file: string;
  readonly remedy: string;
  readonly damaged: string;
}

const LOCAL = 'native/warren.node';
const BUILD = 'npm run build:native makes it (needs cargo)';

const PACKAGE: string = fileURLToPath(new URL('../..', import.meta.url));

/** Where `npm run build:native` puts it. */
export const BINDING_FILE: string = join(PACKAGE, LOCAL);

let loaded: FoundBinding | undefined;

/**
 * The addon, the same for the whole process. Only success is remembered: what failed for want of
 * descriptors may be had by the next engine.
 */
export function loadBinding(): LoadedBinding {
  if (loaded !== undefined) return loaded;
  const result = findBinding({
    folder: PACKAGE,
    version: packageVersion(),
    platform: platformOf(thisMachine()),
    require: createRequire(import.meta.url),
  });
  if ('binding' in result) loaded = result;
  return result;
}

/** Never throws. */
export function findBinding(owner: BindingOwner): LoadedBinding {
  const passedOver: string[] = [];
  for (const find of [localBuild, platformPackage]) {
    const candidate = find(owner);
    if (candidate === undefined) continue;
    const result = 'reason' in candidate ? candidate : tryCandidate(candidate, owner);
    if ('binding' in result) return { ...result, passedOver };
    passedOver.push(result.reason);
  }
  if (passedOver.length > 0) return broken(passedOver.join('; '));
  return { reason: absence(owner), broken: false };
}

function tryCandidate(
  { file, remedy, damaged }: Candidate,
  { version, require }: BindingOwner,
): Omit<FoundBinding, 'passedOver'> | NoBinding {
  const problem = checkNativeFile(file);
  if (problem !== undefined) return broken(`${problem}: ${damaged}`);
  const real = realpathSync(file);
  const result = tryBinding({ file: real, version, remedy, load: require });
  return 'binding' in result ? { ...result, file: real } : result;
}

function localBuild({ folder }: BindingOwner): Candidate | undefined {
  const file = join(folder, LOCAL);
  const remedy = `in a clone, ${BUILD}`;
  return isThere(file) ? { file, remedy, damaged: remedy } : undefined;
}

function platformPackage(owner: BindingOwner): Candidate | NoBinding | undefined {
  const { version, platform, require } = owner;
  const { name, enginePackage } = platform;
  if (enginePackage === undefined) return undefined;
  try {
    const manifest = require.resolve(`${enginePackage}/package.json`);
    const remedy = `npm install ${enginePackage}@${version}`;
    const json: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
    const found: unknown =
      typeof json === 'object' && json !== null && Reflect.get(json, 'version');
    if (found !== version) {
      return broken(`${enginePackage} is of version ${found}, warren of ${version}: ${remedy}`);
    }
    const folder = dirname(manifest);
    // npm takes a package that is there for a good one, whatever has become of its files.
    const damaged = `remove ${folder} and install again`;
    return { file: join(folder, `warren.${name}.node`), remedy, damaged };
  } catch (error) {
    const isAbsent = error instanceof Error && Reflect.get(error, 'code') === 'MODULE_NOT_FOUND';
    return isAbsent ? undefined : broken(`${enginePackage}: ${oneLine(errorText(error))}`);
  }
}

/** Why there is none at all. */
function absence({ folder, version, platform }: BindingOwner): string {
  const { name, enginePackage } = platform;
  // Only a clone has the sources.
  if (existsSync(join(folder, 'ts'))) {
    return `not built for ${name} (no file ${join(folder, LOCAL)}): ${BUILD}`;
  }
  if (enginePackage === undefined) return `not prebuilt for ${name}: in a clone, ${BUILD}`;
  const why =
    'optional dependencies were left out, ' +
    'the lock file is of another platform, or the registry lacks it';
  return `no package ${enginePackage} (${why}): npm install ${enginePackage}@${version}`;
}
