/**
 * Chooses the engine. `WARREN_ENGINE` forces one and then fails rather than take another; `auto`,
 * the default, takes the first that can be had. Why the others were not taken is kept and told.
 */
import { inspect } from 'node:util';
import { errorText, WarrenError } from '../errors.ts';
import type { Engine, EngineName, EngineOptions } from './engine.ts';
import { BINDING_FILE, loadBinding } from './load-binding.ts';
import { RustEngine } from './rust.ts';
import { TypescriptEngine } from './typescript.ts';

export interface RejectedEngine {
  readonly name: EngineName;
  readonly reason: string;
  /** It is there and cannot be used, which somebody should mend; else it is just not there. */
  readonly broken: boolean;
}

/** What an engine has whose code is an addon. */
export interface NativeFacts {
  readonly threads: number;
  readonly addon: string;
}

export interface SelectedEngine {
  readonly engine: Engine;
  readonly native?: NativeFacts;
  readonly rejected: readonly RejectedEngine[];
}

/** One engine that may be there. */
export interface Tier {
  readonly name: EngineName;
  /** Not looked at unless it is the one that is wanted. */
  readonly onlyByName?: true;
  open(options: EngineOptions): OpenedTier | Omit<RejectedEngine, 'name'>;
}

type OpenedTier = Omit<SelectedEngine, 'rejected'>;

export interface Selection {
  /** By default the environment's. */
  readonly wanted?: string | undefined;
  readonly threads?: string | undefined;
  readonly tiers?: readonly Tier[];
}

/** The best one first. */
const TIERS: readonly Tier[] = [
  { name: 'rust', open: openRust },
  {
    name: 'addon',
    onlyByName: true,
    open: () => ({ reason: 'not part of this version of warren', broken: false }),
  },
  { name: 'typescript', open: (options) => ({ engine: new TypescriptEngine(options) }) },
];

const MAX_THREADS = 256;

/** For people: which engine, and why not. */
export function rejectedText({ name, reason }: RejectedEngine): string {
  return `${name}: ${reason}`;
}

/** @throws WARREN_E_ENGINE when the wanted one cannot be had, or not with so many threads. */
export function selectEngine(options: EngineOptions, selection: Selection = {}): SelectedEngine {
  const { WARREN_ENGINE, WARREN_THREADS } = process.env;
  const { wanted = WARREN_ENGINE, threads = WARREN_THREADS, tiers = TIERS } = selection;
  const name = wanted === undefined || wanted === '' ? 'auto' : wanted;
  const tried = tiers.filter((tier) =>
    name === 'auto' ? tier.onlyByName !== true : tier.name === name,
  );
  if (tried.length === 0) {
    const allowed = ['auto', ...tiers.map((tier) => tier.name)].join(', ');
    throw engineError(`WARREN_ENGINE=${name}: no such engine (allowed: ${allowed})`);
  }
  const withThreads = { ...options, ...threadsOption(options.threads, threads) };
  const rejected: RejectedEngine[] = [];
  for (const tier of tried) {
    const opened = tier.open(withThreads);
    if ('engine' in opened) return { ...opened, rejected };
    rejected.push({ name: tier.name, ...opened });
  }
  const reasons = name === 'auto' ? rejected.map(rejectedText) : rejected.map((it) => it.reason);
  throw engineError(`WARREN_ENGINE=${name}: ${reasons.join('; ')}`);
}

function openRust(options: EngineOptions): ReturnType<Tier['open']> {
  const loaded = loadBinding();
  if ('reason' in loaded) return loaded;
  try {
    const engine = new RustEngine(loaded.binding, options);
    return { engine, native: { threads: engine.threads, addon: BINDING_FILE } };
  } catch (error) {
    return { reason: `cannot start: ${errorText(error)}`, broken: true };
  }
}

/** The caller's number goes before the environment's; without any the engine decides. */
function threadsOption(
  own: number | undefined,
  environment: string | undefined,
): Pick<EngineOptions, 'threads'> {
  if (own !== undefined) return { threads: checkedThreads('threads: ', inspect(own), own) };
  if (environment === undefined || environment === '') return {};
  const count = /^\d+$/.test(environment) ? Number(environment) : Number.NaN;
  return { threads: checkedThreads('WARREN_THREADS=', environment, count) };
}

function checkedThreads(source: string, given: string, count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_THREADS) return count;
  throw engineError(`${source}${given}: a whole number from 1 to ${MAX_THREADS} is needed`);
}

function engineError(message: string): WarrenError {
  return new WarrenError('WARREN_E_ENGINE', message);
}
