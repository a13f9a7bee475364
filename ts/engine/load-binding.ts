/**
 * Finds the addon of the Rust engine and makes sure of it before anything relies on it: it can be
 * loaded here, it is of this package's version, it has every function that is called, and what it
 * lives by works on this machine. Where not, the reason is for people: it says what was looked for
 * and what to do.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { errorText } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import type * as generated from './binding.d.ts';
import type { BindingEngine } from './binding.d.ts';

/** What the addon exports. */
export type Binding = typeof generated;

export type LoadedBinding = FoundBinding | NoBinding;

export interface FoundBinding {
  readonly binding: Binding;
  readonly file: string;
  /** Why files before this one were not taken. */
  readonly passedOver: readonly string[];
}

export interface NoBinding {
  readonly reason: string;
  /** Something is there and is of no use, which somebody should mend; else nothing is there. */
  readonly broken: boolean;
}

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

let loaded: FoundBinding | undefined;

/**
 * The addon, the same for the whole process. Only success is remembered: what failed for want of
 * descriptors may be had by the next engine.
 */
export function loadBinding(): LoadedBinding {
  if (loaded !== undefined) return loaded;
  const load = createRequire(import.meta.url);
  const result = tryBinding({ file: BINDING_FILE, version: packageVersion(), load });
  if ('binding' in result) loaded = result;
  return result;
}

export function tryBinding({ file, version, load }: BindingSource): LoadedBinding {
  if (!existsSync(file)) {
    const platform = `${process.platform}-${process.arch}`;
    return { reason: `not built for ${platform} (no file ${file}): ${REBUILD}`, broken: false };
  }
  let binding: unknown;
  try {
    binding = load(file);
  } catch (error) {
    return broken(`cannot be loaded: ${oneLine(errorText(error))}`);
  }
  if (!isBinding(binding)) return broken(`${file} is not warren's addon: ${REBUILD}`);
  try {
    const found = binding.version();
    if (found !== version) {
      const versions = `the addon is of version ${found}, warren of ${version}`;
      return broken(`${versions} (${file}): ${REBUILD}`);
    }
    const absent = missing(binding, EXPORTS) ?? missing(binding.BindingEngine.prototype, METHODS);
    if (absent !== undefined) {
      return broken(`the addon is older than this warren (it has no ${absent}): ${REBUILD}`);
    }
    const failure = binding.probe();
    return failure === null
      ? { binding, file, passedOver: [] }
      : broken(`probe failed: ${failure}`);
  } catch (error) {
    return broken(`fails: ${oneLine(errorText(error))}`);
  }
}

function broken(reason: string): NoBinding {
  return { reason, broken: true };
}

const REBUILD = 'in a clone, npm run build:native makes it (needs cargo)';

/**
 * What an addon must have: between two commits the version stays and functions come. Their types
 * make the compiler see to it that none is forgotten.
 */
const EXPORTS: Readonly<Record<keyof Binding, true>> = {
  BindingEngine: true,
  defaultLimits: true,
  endReasons: true,
  probe: true,
  version: true,
};

const METHODS: Readonly<Record<keyof BindingEngine, true>> = {
  takeUpcalls: true,
  keepAlive: true,
  listen: true,
  updateListener: true,
  stopAccepting: true,
  closeListener: true,
  dial: true,
  abortDial: true,
  streamRead: true,
  streamWrite: true,
  streamFinish: true,
  streamDestroy: true,
  openServerService: true,
  openClientService: true,
  attachServer: true,
  attachClient: true,
  resumeServer: true,
  resumeClient: true,
  updateServer: true,
  updateClient: true,
  detach: true,
  closeService: true,
  destroyService: true,
  forgetService: true,
  threads: true,
  stats: true,
  shutdown: true,
};

/** One of another version may have other functions, so only what tells the version is asked for. */
function isBinding(value: unknown): value is Binding {
  return (
    typeof value === 'object' && value !== null && 'version' in value && isFunction(value.version)
  );
}

/** The first of these functions that is not there. */
function missing(owner: object, names: object): string | undefined {
  return Object.keys(names).find((name) => !isFunction(Reflect.get(owner, name)));
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

/** Loaders' messages have line ends of their own. */
function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
