import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// CI asks for the counts as a file, to end its log with them.
const counts = process.env['VERBATIM_TEST_COUNTS'];

/**
 * Files that take longest, by seconds of a processor: they begin, so that no worker waits for one that began last.
 * A file that is not in the list comes in vitest's own order, behind them.
 */
const longest = [
  'src/stages/audit.test.ts',
  'src/cli/cli.test.ts',
  'src/lab/lab.test.ts',
  'src/cli/http-audit.test.ts',
  'src/cli/extract.test.ts',
  'src/stages/cliques.test.ts',
  'src/cli/verify.test.ts',
  'src/cli/membership.test.ts',
  'test/dedup.test.ts',
  'test/bad-output.test.ts',
  'src/cli/review.test.ts',
  'src/stages/stages.test.ts',
  'src/labels/copies/find.test.ts',
  'src/labels/calibrate-copies.test.ts',
  'src/cli/ordinary.test.ts',
  'src/stages/membership/membership.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((path) => moduleId.endsWith(`/${path}`));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['src/testing/compiled-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: counts ? ['default', 'json'] : ['default'],
    ...(counts && { outputFile: { json: counts } }),
  },
});
