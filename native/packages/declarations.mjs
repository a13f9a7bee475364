/**
 * Type declarations of a package: tsc writes one beside each file, users see only those that the
 * entry's declarations lead to.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SPECIFIER = /\b(?:from|import\()\s*['"](\.[^'"]+)['"]/g;

/** Removes from `folder` what `entry` does not lead to. */
export function keepReachedDeclarations(folder, entry) {
  const reached = reachedFrom(join(folder, entry));
  for (const name of readdirSync(folder, { recursive: true })) {
    const file = join(folder, name);
    if (name.endsWith('.d.ts') && !reached.has(file)) rmSync(file);
  }
}

/** They name the sources, `./errors.ts`, whose declarations are in `./errors.d.ts`. */
function reachedFrom(entry) {
  const reached = new Set([entry]);
  // A set that grows is walked to its end.
  for (const file of reached) {
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(SPECIFIER)) {
      reached.add(join(dirname(file), specifier.replace(/(\.d)?\.[jt]s$/, '.d.ts')));
    }
  }
  return reached;
}
