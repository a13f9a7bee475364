/** The engines that there are, for the suite. */

import type { AddonBinding } from '../../ts/dataplane/relay-thread.ts';
import type { Engine } from '../../ts/engine/engine.ts';
import { RustEngine } from '../../ts/engine/rust.ts';
import { TypescriptEngine } from '../../ts/engine/typescript.ts';
import { ADDON, ADDON_PORTABLE } from '../helpers/addon-binding.ts';
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

/** These are undefined where they are not built; the reason was printed then. */
export const RUST_ENGINE: Environment | undefined = makeRust();

export const ADDON_ENGINE: Environment | undefined = makeAddon(ADDON);
/** As it is where there are no epoll and no splice. */
export const PORTABLE_ENGINE: Environment | undefined = makeAddon(ADDON_PORTABLE);

function makeAddon(addon: AddonBinding | undefined): Environment | undefined {
  if (addon === undefined) return undefined;
  return { setup: (options) => new TypescriptEngine(options, addon), teardown };
}

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
