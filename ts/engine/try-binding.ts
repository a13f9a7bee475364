/**
 * Makes sure of one addon of the Rust engine before anything relies on it: it can be loaded here, it
 * is of this package's version, it has every function that is called, and what it lives by works on
 * this machine. Where not, the reason is for people.
 */
import { errorText } from '../errors.ts';
import type * as generated from './binding.d.ts';
import type { BindingEngine } from './binding.d.ts';

/** What the addon exports. */
export type Binding = typeof generated;

export interface NoBinding {
  readonly reason: string;
  /** Something is there and is of no use, which somebody should mend; else nothing is there. */
  readonly broken: boolean;
}

export interface BindingFile {
  readonly file: string;
  /** The only one that is taken: the addon and its caller are two halves of one thing. */
  readonly version: string;
  /** How to get a right one, for people. */
  readonly remedy: string;
  load(file: string): unknown;
}

export function tryBinding(from: BindingFile): { readonly binding: Binding } | NoBinding {
  const { file, version, remedy, load } = from;
  let binding: unknown;
  try {
    binding = load(file);
  } catch (error) {
    return broken(`${file} cannot be loaded: ${oneLine(errorText(error))}`);
  }
  if (!isBinding(binding)) return broken(`${file} is not warren's addon: ${remedy}`);
  try {
    const found = binding.version();
    if (found !== version) {
      return broken(`${file} is of version ${found}, warren of ${version}: ${remedy}`);
    }
    const absent = missing(binding, EXPORTS) ?? missing(binding.BindingEngine.prototype, METHODS);
    if (absent !== undefined) {
      return broken(`${file} is older than this warren (it has no ${absent}): ${remedy}`);
    }
    const failure = binding.probe();
    return failure === null ? { binding } : broken(`${file} does not work here: ${failure}`);
  } catch (error) {
    return broken(`${file} fails: ${oneLine(errorText(error))}`);
  }
}

export function broken(reason: string): NoBinding {
  return { reason, broken: true };
}

/** Loaders' messages have line ends of their own. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}

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
