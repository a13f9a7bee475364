/**
 * node-forge, loaded when the first PKCS#12 archive is read and not before: it takes 70 ms and
 * 10 MB, which nobody without an archive shall pay.
 */
import { createRequire } from 'node:module';
import type Forge from 'node-forge';

let loaded: typeof Forge | undefined;

export function forge(): typeof Forge {
  // The package says what it gives in its types only.
  loaded ??= createRequire(import.meta.url)('node-forge') as typeof Forge;
  return loaded;
}
