import { defineConfig } from 'vitest/config';

// CI asks for the counts as a file, to end its log with them.
const counts = process.env['VERBATIM_TEST_COUNTS'];

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['src/testing/compiled-setup.ts'],
    pool: 'forks',
    // Files share a process and the modules that it has loaded: what a test changes (folder, environment), it puts back.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: counts ? ['default', 'json'] : ['default'],
    ...(counts && { outputFile: { json: counts } }),
  },
});
