/** The C++ addon, where it is built (`npm run build:addon`) and works here. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AddonBinding } from '../../ts/dataplane/relay-thread.ts';
import { loadAddon } from '../../ts/engine/load-addon.ts';

function find(): AddonBinding | undefined {
  const loaded = loadAddon();
  if ('binding' in loaded) return loaded.binding;
  process.stderr.write(`skipped: no addon engine (${loaded.reason})\n`);
  return undefined;
}

function findPortable(): AddonBinding | undefined {
  const file = fileURLToPath(
    new URL('../../build/Portable/warren_addon_portable.node', import.meta.url),
  );
  if (existsSync(file)) return createRequire(import.meta.url)(file) as AddonBinding;
  process.stderr.write('skipped: no portable addon (npm run build:addon -- --portable)\n');
  return undefined;
}

/** Undefined when it is missing; the reason was printed then. */
export const ADDON: AddonBinding | undefined = find();
export const ADDON_PORTABLE: AddonBinding | undefined = findPortable();
