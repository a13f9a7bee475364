/** `npm run test:interop`: the suite once per engine, and the matrix of both at the end. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { MatrixReporter } from './matrix-reporter.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isBuilt = existsSync(`${root}native/warren.node`);
const given = process.env['WARREN_ENGINE'];
const engines = given === undefined ? [...(isBuilt ? ['rust'] : []), 'typescript'] : [given];
if (!isBuilt) process.stderr.write('skipped: the Rust engine (npm run build:native)\n');

const config: ViteUserConfig = defineConfig({
  root,
  test: {
    maxWorkers: 2,
    reporters: ['default', new MatrixReporter()],
    projects: engines.map((engine) => ({
      extends: `${root}vitest.config.ts`,
      root,
      test: {
        name: engine,
        include: ['test/interop/**/*.test.ts'],
        env: { WARREN_ENGINE: engine },
      },
    })),
  },
});

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config;
