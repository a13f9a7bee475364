/** `npm run test:interop`: the suite once per engine, and the matrix of both at the end. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import base from '../../vitest.config.ts';
import { MatrixReporter } from './matrix-reporter.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isBuilt = existsSync(`${root}native/warren.node`);
const given = process.env['WARREN_ENGINE'];
const engines = given === undefined ? [...(isBuilt ? ['rust'] : []), 'typescript'] : [given];
if (!isBuilt) process.stderr.write('skipped: the Rust engine (npm run build:native)\n');

// A project has no workers of its own.
const { maxWorkers, ...projectOptions } = base.test ?? {};

const config: ViteUserConfig = defineConfig({
  root,
  test: {
    ...(maxWorkers === undefined ? {} : { maxWorkers }),
    reporters: ['default', new MatrixReporter()],
    projects: engines.map((engine) => ({
      root,
      test: {
        // Not by `extends`: that would add our files to all others.
        ...projectOptions,
        name: engine,
        include: ['test/interop/**/*.test.ts'],
        env: { WARREN_ENGINE: engine },
      },
    })),
  },
});

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config;
