import { defineConfig } from 'vitest/config';

// CI asks for the counts as a file, to end its log with them.
const counts = process.env['VERBATIM_TEST_COUNTS'];

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: counts ? ['default', 'json'] : ['default'],
    ...(counts && { outputFile: { json: counts } }),
  },
});
