/** Which names a process asks the system's resolver for: a small library is preloaded that tells. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Resources } from './process-resources.ts';
import { temporaryFolder } from './programs.ts';

const SOURCE = fileURLToPath(new URL('../fixtures/resolver-witness.c', import.meta.url));

export interface ResolverWitness {
  readonly env: Readonly<Record<string, string>>;
  names(): string[];
}

/** Undefined, and the reason is printed, where it cannot be compiled. */
export function resolverWitness(resources: Resources): ResolverWitness | undefined {
  const folder = temporaryFolder(resources);
  const [library, file] = [join(folder, 'witness.so'), join(folder, 'names')];
  const flags = ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl'];
  if (spawnSync('cc', flags).status !== 0) {
    process.stderr.write('skipped: no cc, so nobody watches what is resolved\n');
    return undefined;
  }
  return {
    env: { LD_PRELOAD: library, WARREN_WITNESS: file },
    names: () => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []),
  };
}
