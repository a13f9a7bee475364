import { it } from 'vitest';
import { RUST_ENGINE, TYPESCRIPT, together } from './engines.ts';
import { togetherReuseConformance } from './suite.ts';

if (RUST_ENGINE === undefined) {
  it.skip('engine rust: it is not built; the reason is printed above');
} else {
  togetherReuseConformance('rust serves, typescript dials', together(RUST_ENGINE, TYPESCRIPT));
  togetherReuseConformance('typescript serves, rust dials', together(TYPESCRIPT, RUST_ENGINE));
}
