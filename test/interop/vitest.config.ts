/** `npm run test:interop`: the suite once per engine, and the matrix of all at the end. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import base from '../../vitest.config.ts';
import { MatrixReporter } from './matrix-reporter.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Those that are built, and the one that always is. */
function builtEngines(): string[] {
  const native = [
    { engine: 'rust', file: 'native/warren.node', script: 'build:native' },
    { engine: 'addon', file: 'build/Release/warren_addon.node', script: 'build:addon' },
  ];
  const built = native.filter(({ engine, file, script }) => {
    if (existsSync(root + file)) return true;
    process.stderr.write(`skipped: engine ${engine} (npm run ${script})\n`);
    return false;
  });
  return [...built.map(({ engine }) => engine), 'typescript'];
}

const given = process.env['WARREN_ENGINE'];
const engines = given === undefined ? builtEngines() : [given];

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
