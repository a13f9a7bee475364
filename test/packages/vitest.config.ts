/**
 * `npm run test:packages`: packages are made, published to a registry on loopback and installed by
 * every package manager that is to be had. The files are no `*.test.ts`, so `npm test` leaves them out:
 * they download what users download and need minutes.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const MINUTE_MS = 60_000;

const config: ViteUserConfig = defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/packages/*.spec.ts'],
    globalSetup: ['test/packages/setup.mjs'],
    reporters: ['default', './test/packages/results-reporter.mjs'],
    pool: 'forks',
    // One registry, whose content the cases change.
    fileParallelism: false,
    testTimeout: 3 * MINUTE_MS,
    hookTimeout: 5 * MINUTE_MS,
  },
});

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config;
