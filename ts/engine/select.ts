/**
 * Chooses the engine. `WARREN_ENGINE` forces one and then fails rather than take another; `auto`,
 * the default, takes the first that can be had. Why the others were not taken is kept and told.
 */
import { WarrenError } from '../errors.ts';
import type { Engine, EngineName, EngineOptions } from './engine.ts';
import { TypescriptEngine } from './typescript.ts';

export interface RejectedEngine {
  readonly name: EngineName;
  readonly reason: string;
}

export interface SelectedEngine {
  readonly engine: Engine;
  readonly rejected: readonly RejectedEngine[];
}

/** For people: which engine, and why not. */
export function rejectedText({ name, reason }: RejectedEngine): string {
  return `${name}: ${reason}`;
}

const NOT_BUILT = 'not part of this version of warren';
const REJECTED: readonly RejectedEngine[] = [
  { name: 'rust', reason: NOT_BUILT },
  { name: 'addon', reason: NOT_BUILT },
];

/** @throws WARREN_E_ENGINE when the wanted one cannot be had. */
export function selectEngine(
  options: EngineOptions,
  wanted: string | undefined = process.env['WARREN_ENGINE'],
): SelectedEngine {
  const name = wanted === undefined || wanted === '' ? 'auto' : wanted;
  if (name !== 'auto' && name !== 'typescript') {
    const known = REJECTED.find((engine) => engine.name === name);
    const reason = known?.reason ?? 'no such engine';
    const allowed = 'auto, rust, addon or typescript';
    throw new WarrenError(
      'WARREN_E_ENGINE',
      `WARREN_ENGINE=${name}: ${reason} (allowed: ${allowed})`,
    );
  }
  return { engine: new TypescriptEngine(options), rejected: name === 'auto' ? REJECTED : [] };
}
