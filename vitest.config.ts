import { availableParallelism } from 'node:os';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/survey.ts', 'test/helpers/run-folder.ts'],
    pool: 'forks',
    // As many as there are cores: more files beside each other would only starve each other's sockets.
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
  },
});

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config;
