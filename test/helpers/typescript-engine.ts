/** For tests that stand in for one of Node's modules, which only the TypeScript engine uses. */
import { afterEach, beforeEach, vi } from 'vitest';

/** Every test of the describe that calls this runs over the TypeScript engine. */
export function overTypescript(): void {
  beforeEach(() => {
    vi.stubEnv('WARREN_ENGINE', 'typescript');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
}
