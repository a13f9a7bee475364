import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/survey.ts', 'test/helpers/run-folder.ts'],
    pool: 'forks',
    // Two cores: files beside each other would only starve each other's sockets.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
  },
});

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config;
