import { it } from 'vitest';
import { RUST_ENGINE } from './engines.ts';
import { reuseConformance } from './suite.ts';

if (RUST_ENGINE === undefined) {
  it.skip('engine rust: it is not built; the reason is printed above');
} else {
  reuseConformance('rust', RUST_ENGINE);
}
