import { it } from 'vitest';
import { ADDON_ENGINE } from './engines.ts';
import { reuseConformance } from './suite.ts';

if (ADDON_ENGINE === undefined) {
  it.skip('engine addon: it is not built; the reason is printed above');
} else {
  // Behind the other transports it is the TypeScript engine.
  reuseConformance('addon', ADDON_ENGINE, ['tcp']);
}
