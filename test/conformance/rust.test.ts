import { it } from 'vitest';
import { RustEngine } from '../../ts/engine/rust.ts';
import { RUST } from '../helpers/rust-binding.ts';
import { conformance } from './suite.ts';

if (RUST === undefined) {
  it.skip('engine rust: it is not built; the reason is printed above');
} else {
  const binding = RUST;
  conformance('rust', {
    setup: (options) => new RustEngine(binding, options),
    teardown: async (engine) => {
      engine.destroy();
      await engine.close({ deadlineMs: 0 });
    },
  });
}
