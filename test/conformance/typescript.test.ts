import { TypescriptEngine } from '../../ts/engine/typescript.ts';
import { conformance } from './suite.ts';

conformance('typescript', {
  setup: (options) => new TypescriptEngine(options),
  teardown: async (engine) => {
    engine.destroy();
    await engine.close({ deadlineMs: 0 });
  },
});
