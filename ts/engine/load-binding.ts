/**
 * Finds the addon of the Rust engine and makes sure of it before anything relies on it: it can be
 * loaded here, it is of this package's version, and what it lives by works on this machine. Where
 * not, the reason is for people: it says what was looked for and what to do.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { errorText } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import type * as generated from './binding.d.ts';

/** What the addon exports. */
export type Binding = typeof generated;

export type LoadedBinding = { readonly binding: Binding } | { readonly reason: string };

/** What is looked for, and how; tests have their own. */
export interface BindingSource {
  readonly file: string;
  /** The only one that is taken: the addon and its caller are two halves of one thing. */
  readonly version: string;
  load(file: string): unknown;
}

/** Where `npm run build:native` puts it. What brings it prebuilt will be looked for here, too. */
export const BINDING_FILE: string = fileURLToPath(
  new URL('../../native/warren.node', import.meta.url),
);

let loaded: Binding | undefined;

/**
 * The addon, the same for the whole process. Only success is remembered: what failed for want of
 * descriptors may be had by the next engine.
 */
export function loadBinding(): LoadedBinding {
  if (loaded !== undefined) return { binding: loaded };
  const load = createRequire(import.meta.url);
  const result = tryBinding({ file: BINDING_FILE, version: packageVersion(), load });
  if ('binding' in result) loaded = result.binding;
  return result;
}

export function tryBinding({ file, version, load }: BindingSource): LoadedBinding {
  if (!existsSync(file)) {
    const platform = `${process.platform}-${process.arch}`;
    return { reason: `not built for ${platform} (no file ${file}): ${REBUILD}` };
  }
  let binding: unknown;
  try {
    binding = load(file);
  } catch (error) {
    return { reason: `cannot be loaded: ${oneLine(errorText(error))}` };
  }
  if (!isBinding(binding)) return { reason: `${file} is not warren's addon: ${REBUILD}` };
  try {
    const found = binding.version();
    if (found !== version) {
      const versions = `the addon is of version ${found}, warren of ${version}`;
      return { reason: `${versions} (${file}): ${REBUILD}` };
    }
    const failure = binding.probe();
    return failure === null ? { binding } : { reason: `probe failed: ${failure}` };
  } catch (error) {
    return { reason: `fails: ${oneLine(errorText(error))}` };
  }
}

const REBUILD = 'in a clone, npm run build:native makes it (needs cargo)';

/** One of another version may have other functions, so only what tells the version is asked for. */
function isBinding(value: unknown): value is Binding {
  return (
    typeof value === 'object' && value !== null && 'version' in value && isFunction(value.version)
  );
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

/** Loaders' messages have line ends of their own. */
function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
