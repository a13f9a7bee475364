// The engines that there are, found as the product finds them; one that is not there keeps the
// product's own reason.

import { relative } from 'node:path';
import type { Engine, EngineName } from '#dist/engine/engine.js';
import { TIERS, type Tier } from '#dist/engine/select.js';
import { ROOT } from './repository.ts';

export interface FoundEngine {
  readonly name: EngineName;
  /** The file of its addon, from the repository on; `undefined` for an engine in TypeScript. */
  readonly addon: string | undefined;
  /** A new one with the product's defaults, for one end of a tunnel. */
  open(): Promise<Engine>;
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
    else {
      const addon = tier.addon === undefined ? undefined : relative(ROOT, tier.addon);
      found.push({ name, addon, open: async () => tier.open({}) });
    }
  }
  return { found, missing };
}
