/** The C++ addon, where it is built (`npm run build:addon`) and works here; the survey tells why not. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AddonBinding } from '../../ts/dataplane/relay-thread.ts';
import { loadAddon } from '../../ts/engine/load-addon.ts';

export const ADDON_PORTABLE_FILE: string = fileURLToPath(
  new URL('../../build/Portable/warren_addon_portable.node', import.meta.url),
);

const loaded = loadAddon();

/** Where it is; empty when it is missing. */
export const ADDON_FILE: string = 'binding' in loaded ? loaded.file : '';

/** Undefined when it is missing. */
export const ADDON: AddonBinding | undefined = 'binding' in loaded ? loaded.binding : undefined;

/** As it is where there are no epoll and no splice: `npm run build:addon -- --portable`. */
export const ADDON_PORTABLE: AddonBinding | undefined = existsSync(ADDON_PORTABLE_FILE)
  ? (createRequire(import.meta.url)(ADDON_PORTABLE_FILE) as AddonBinding)
  : undefined;
