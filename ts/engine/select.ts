/**
 * Chooses the engine. `WARREN_ENGINE` forces one and then fails rather than take another; `auto`,
 * the default, takes the first that can be had. Why the others were not taken is kept and told.
 */
import { inspect } from 'node:util';
import { errorText, WarrenError } from '../errors.ts';
import type { Engine, EngineName, EngineOptions } from './engine.ts';
import { loadAddon } from './load-addon.ts';
import { loadBinding } from './load-binding.ts';
import { RustEngine } from './rust.ts';
import type { TypescriptEngine } from './typescript.ts';

/** An engine, or one file of an engine, that was not taken. */
export interface RejectedEngine extends Unusable {
  readonly name: EngineName;
}

export interface Unusable {
  readonly reason: string;
  /** It is there and cannot be used, which somebody should mend; else it is just not there. */
  readonly broken: boolean;
}

/** What an engine has whose code is an addon: how many threads of its own, and its file. */
export interface NativeFacts {
  readonly threads: number;
  readonly addon: string;
}

export interface SelectedEngine {
  readonly engine: Engine;
  readonly native?: NativeFacts;
  readonly rejected: readonly RejectedEngine[];
}

/** Which engine a role runs, what it is made of, and why not another. */
export interface EngineFacts {
  readonly name: EngineName;
  /** Threads of its own, and the file of its code; undefined for one in TypeScript. */
  readonly threads: number | undefined;
  readonly addon: string | undefined;
  /** What would have gone before it, in order. */
  readonly rejected: readonly RejectedEngine[];
}

/** One engine that may be there. */
export interface Tier {
  readonly name: EngineName;
  /** Finds what it is made of and makes sure of it. Starts nothing and never throws. */
  find(): FoundTier | Unusable;
}

export interface FoundTier {
  /** The addon that it is made of, as an absolute path. */
  readonly addon?: string;
  /** Why other files of the same engine were not taken, though they are there. */
  readonly passedOver?: readonly string[];
  /** At once, or when its code is loaded. @throws when the system has no threads or descriptors left. */
  open(options: EngineOptions): OpenedEngine | Promise<OpenedEngine>;
}

export type OpenedEngine = Engine & { readonly threads?: number };

export interface Selection {
  /** By default the environment's. */
  readonly wanted?: string | undefined;
  readonly threads?: string | undefined;
  readonly tiers?: readonly Tier[];
}

/** The best one first. */
export const TIERS: readonly Tier[] = [
  { name: 'rust', find: findRust },
  { name: 'addon', find: findAddon },
  { name: 'typescript', find: () => ({ open: (options) => openTypescript(options) }) },
];

const MAX_THREADS = 256;

export function engineFacts({ engine, native, rejected }: SelectedEngine): EngineFacts {
  return { name: engine.name, threads: native?.threads, addon: native?.addon, rejected };
}

/** For people: which engine, and why not. */
export function rejectedText({ name, reason }: RejectedEngine): string {
  return `${name}: ${reason}`;
}

/** @throws WARREN_E_ENGINE when the wanted one cannot be had, or not with so many threads. */
export async function selectEngine(
  options: EngineOptions,
  selection: Selection = {},
): Promise<SelectedEngine> {
  const { tiers = TIERS } = selection;
  const wanted = wantedEngine(selection.wanted);
  const tried = tiersFor(wanted, tiers);
  const withThreads = { ...options, ...threadsOption(options.threads, selection.threads) };
  const rejected: RejectedEngine[] = [];
  for (const { name, find } of tried) {
    const found = find();
    const opened = 'reason' in found ? found : await openFound(found, withThreads);
    if ('passedOver' in found) {
      for (const reason of found.passedOver ?? []) rejected.push({ name, reason, broken: true });
    }
    if ('engine' in opened) return { ...opened, rejected };
    rejected.push({ name, ...opened });
  }
  const reasons = wanted === 'auto' ? rejected.map(rejectedText) : rejected.map((it) => it.reason);
  throw engineError(`WARREN_ENGINE=${wanted}: ${reasons.join('; ')}`);
}

/** What `WARREN_ENGINE` says. */
export function wantedEngine(given: string | undefined = process.env['WARREN_ENGINE']): string {
  return given === undefined || given === '' ? 'auto' : given;
}

/** Those that may be taken, in order. @throws WARREN_E_ENGINE when there is none of that name. */
export function tiersFor(wanted: string, tiers: readonly Tier[]): readonly Tier[] {
  const tried = tiers.filter(({ name }) => wanted === 'auto' || name === wanted);
  if (tried.length > 0) return tried;
  const allowed = ['auto', ...tiers.map(({ name }) => name)].join(', ');
  throw engineError(`WARREN_ENGINE=${wanted}: no such engine (allowed: ${allowed})`);
}

async function openFound(
  { addon, open }: FoundTier,
  options: EngineOptions,
): Promise<Omit<SelectedEngine, 'rejected'> | Unusable> {
  try {
    const engine = await open(options);
    return addon === undefined
      ? { engine }
      : { engine, native: { threads: engine.threads ?? 1, addon } };
  } catch (error) {
    return { reason: `cannot start: ${errorText(error)}`, broken: true };
  }
}

function findRust(): FoundTier | Unusable {
  const loaded = loadBinding();
  if ('reason' in loaded) return loaded;
  const { binding, file: addon, passedOver } = loaded;
  return { addon, passedOver, open: (options) => new RustEngine(binding, options) };
}

function findAddon(): FoundTier | Unusable {
  const loaded = loadAddon();
  if ('reason' in loaded) return loaded;
  const { binding, file: addon, passedOver } = loaded;
  return { addon, passedOver, open: (options) => openTypescript(options, binding) };
}

/** Loaded only where it runs: nobody with the Rust engine shall pay its memory and its start. */
async function openTypescript(
  ...given: ConstructorParameters<typeof TypescriptEngine>
): Promise<TypescriptEngine> {
  const { TypescriptEngine } = await import('./typescript.ts');
  return new TypescriptEngine(...given);
}

/** The caller's number goes before the environment's; without any the engine decides. */
function threadsOption(
  own: number | undefined,
  environment: string | undefined,
): Pick<EngineOptions, 'threads'> {
  const threads =
    own === undefined
      ? environmentThreads(environment)
      : checkedThreads('threads: ', inspect(own), own);
  return threads === undefined ? {} : { threads };
}

/** What `WARREN_THREADS` says. @throws WARREN_E_ENGINE when that is no number of threads. */
export function environmentThreads(
  given: string | undefined = process.env['WARREN_THREADS'],
): number | undefined {
  if (given === undefined || given === '') return undefined;
  const count = /^\d+$/.test(given) ? Number(given) : Number.NaN;
  return checkedThreads('WARREN_THREADS=', given, count);
}

function checkedThreads(source: string, given: string, count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_THREADS) return count;
  throw engineError(`${source}${given}: a whole number from 1 to ${MAX_THREADS} is needed`);
}

function engineError(message: string): WarrenError {
  return new WarrenError('WARREN_E_ENGINE', message);
}
