/**
 * What a start leaves behind: parsed modules, texts and tables of the configuration, and the space that
 * V8 took to make them. V8 collects garbage when a program allocates, and gives the space back some time
 * after that. A daemon that is idle may never come to it, so it is asked once.
 */
import v8 from 'node:v8';
import vm from 'node:vm';

/** Behind the work of a start. */
const DELAY_MS = 2_000;

/** Soon, once; it takes some 20 ms. Does not keep the process alive. */
export function dropStartGarbage(): void {
  setTimeout(collectGarbage, DELAY_MS).unref();
}

/** Node has no call for it: the flag puts one into contexts that are made behind it. */
export function collectGarbage(): void {
  v8.setFlagsFromString('--expose-gc');
  const collect: unknown = vm.runInNewContext('globalThis.gc');
  v8.setFlagsFromString('--no-expose-gc');
  if (typeof collect === 'function') collect();
}
