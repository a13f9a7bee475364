// The engines that there are, found as the product finds them; one that is not there keeps the
// product's own reason.

import type { Engine, EngineName } from '#dist/engine/engine.js';
import { TIERS, type Tier } from '#dist/engine/select.js';

export interface FoundEngine {
  readonly name: EngineName;
  /** The file of its addon, if it has one. */
  readonly addon: string | undefined;
  /** A new one with the product's defaults, for one end of a tunnel. */
  open(): Engine;
}

export interface MissingEngine {
  readonly name: EngineName;
  readonly reason: string;
}

export interface Engines {
  readonly found: readonly FoundEngine[];
  readonly missing: readonly MissingEngine[];
}

/** All of them, also where `WARREN_ENGINE` demands one: they are here to be compared. */
export function findEngines(tiers: readonly Tier[] = TIERS): Engines {
  const found: FoundEngine[] = [];
  const missing: MissingEngine[] = [];
  for (const { name, find } of tiers) {
    const tier = find();
    if ('reason' in tier) missing.push({ name, reason: tier.reason });
    else found.push({ name, addon: tier.addon, open: () => tier.open({}) });
  }
  return { found, missing };
}
