/** The engines that there are, for the suite. */
import type { Engine } from '../../ts/engine/engine.ts';
import { RustEngine } from '../../ts/engine/rust.ts';
import { TypescriptEngine } from '../../ts/engine/typescript.ts';
import { RUST } from '../helpers/rust-binding.ts';
import type { Environment } from './environment.ts';

async function teardown(engine: Engine): Promise<void> {
  engine.destroy();
  await engine.close({ deadlineMs: 0 });
}

export const TYPESCRIPT: Environment = {
  setup: (options) => new TypescriptEngine(options),
  teardown,
};

/** Undefined where it is not built; the reason was printed then. */
export const RUST_ENGINE: Environment | undefined = makeRust();

function makeRust(): Environment | undefined {
  const binding = RUST;
  if (binding === undefined) return undefined;
  return { setup: (options) => new RustEngine(binding, options), teardown };
}

/** One engine serves, the other dials. */
export function together(server: Environment, client: Environment): Environment {
  return {
    setup: (options, role) => (role === 'server' ? server : client).setup(options, role),
    teardown,
  };
}
