/**
 * Every engine at a glance, for `warren status`: which one would run, which others could, and why
 * not. Addons are loaded and tried out, but nothing is started.
 */
import { errorText } from '../errors.ts';
import type { EngineName } from './engine.ts';
import { environmentThreads, TIERS, type Tier, tiersFor, wantedEngine } from './select.ts';

export interface EngineSurvey {
  /** As `WARREN_ENGINE` says it, or `auto`. */
  readonly wanted: string;
  /** The one that would run; undefined where a start would fail. */
  readonly chosen: EngineName | undefined;
  /** Why a start would fail. */
  readonly problem: string | undefined;
  /** All there are, the best one first. */
  readonly engines: readonly SurveyedEngine[];
}

export interface SurveyedEngine {
  readonly name: EngineName;
  /**
   * `missing`: not there. `broken`: there, and somebody should mend it. `skipped`: not looked at,
   * because `WARREN_ENGINE` demands another.
   */
  readonly state: 'usable' | 'missing' | 'broken' | 'skipped';
  /** The file of its addon, where it has one and that is usable. */
  readonly addon: string | undefined;
  /** Why it is not usable; of a usable one, why other files of it are not. For people. */
  readonly reasons: readonly string[];
}

/** Never throws. */
export function surveyEngines(
  wanted: string = wantedEngine(),
  tiers: readonly Tier[] = TIERS,
): EngineSurvey {
  const engines = tiers.map((tier) =>
    wanted === 'auto' || tier.name === wanted ? surveyTier(tier) : skipped(tier, wanted),
  );
  const problem = problemOf(wanted, tiers) ?? lackOf(wanted, engines);
  const first = engines.find(({ state }) => state === 'usable');
  return { wanted, chosen: problem === undefined ? first?.name : undefined, problem, engines };
}

/** What is wrong with the environment. */
function problemOf(wanted: string, tiers: readonly Tier[]): string | undefined {
  try {
    tiersFor(wanted, tiers);
    environmentThreads();
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/** Why none of those that were looked at can be used. */
function lackOf(wanted: string, engines: readonly SurveyedEngine[]): string | undefined {
  if (engines.some(({ state }) => state === 'usable')) return undefined;
  const tried = engines.filter(({ state }) => state !== 'skipped');
  return `WARREN_ENGINE=${wanted}: ${tried.flatMap(({ reasons }) => reasons).join('; ')}`;
}

function surveyTier({ name, find }: Tier): SurveyedEngine {
  const found = find();
  if ('reason' in found) {
    const { reason, broken } = found;
    return { name, state: broken ? 'broken' : 'missing', addon: undefined, reasons: [reason] };
  }
  const { addon, passedOver = [] } = found;
  return { name, state: 'usable', addon, reasons: passedOver };
}

function skipped({ name }: Tier, wanted: string): SurveyedEngine {
  const reason = `not looked at: WARREN_ENGINE=${wanted}`;
  return { name, state: 'skipped', addon: undefined, reasons: [reason] };
}
