import { labelPictures } from '../labels/index.ts';
import { readTable } from '../tables/index.ts';
import { openCalibration } from './calibration.ts';
import { verdictColumns } from './columns.ts';
import { comparedPictures } from './compared.ts';
import type { ModelInput } from './flow.ts';
import { needsHeldOut } from './held-out.ts';
import { runTable } from './run-folder.ts';
import { runStage } from './stage.ts';
import { readSubjects, readSyntheses, synthesizedCandidates } from './subjects.ts';

/** Quick verdicts while pictures are still made. */
export interface Verdicts {
  /** The captions that are verified by a picture of the first `shards` shards of the generations. */
  verified(shards: number): Promise<ReadonlySet<string>>;
}

/**
 * Judges pictures as they are made, in place only: by the calibrated distance, without held-out pictures by the reference's.
 * Tables/verdicts, a shard for each shard of the generations. They decide who gets further samples, and nothing else: what is
 * found is said by the labels.
 */
export async function openVerdicts(input: ModelInput): Promise<Verdicts> {
  const { config, folder, signal, onProgress } = input;
  const compared = comparedPictures(input);
  const calibrated = needsHeldOut(config);
  const withCopies = config.labels.rules.some((rule) => rule === 'aligned' || rule === 'local');
  const calibration = calibrated ? await openCalibration(input, compared, withCopies) : undefined;
  return {
    async verified(shards) {
      const files = (await runTable(folder, 'generations')).slice(0, shards);
      const candidates = await synthesizedCandidates(input, files);
      const sizes = await Promise.all(files.map(async (file) => (await readSyntheses([file])).length));
      await runStage({
        folder,
        name: 'verdicts',
        columns: verdictColumns,
        shards: files.map((file, i) => ({ file, size: sizes[i]! })),
        items: ({ size }) => size,
        signal,
        onProgress,
        process: async ({ file }) => {
          const subjects = await readSubjects(input, await readSyntheses([file]), candidates);
          const labels = await labelPictures(subjects, {
            training: compared.training,
            rules: [calibrated ? 'calibrated' : 'reference'],
            referenceThreshold: config.labels.referenceThreshold,
            ...(calibration !== undefined && { calibration }),
            findings: () => undefined,
            nearest: {
              ...(config.threads !== undefined && { threads: config.threads }),
              ...(signal && { signal }),
            },
          });
          return labels.map(({ key, sample, verdict, error }) => ({ key, sample, verdict, error }));
        },
      });
      const rows = await readTable((await runTable(folder, 'verdicts')).slice(0, shards), verdictColumns);
      return new Set(
        rows.filter(({ verdict }) => verdict !== null && verdict !== 'none').map(({ key }) => key),
      );
    },
  };
}
