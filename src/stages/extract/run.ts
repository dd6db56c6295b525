import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { readTable, writeJsonAtomic } from '../../tables/index.ts';
import { requirePictures } from '../data.ts';
import { openRun, type RunDescription, type RunFolder, runTable } from '../run-folder.ts';
import { type ExtractedRow, neighbourColumns } from './columns.ts';
import { runExtracted } from './extracted.ts';
import { runExtractGenerations } from './generations.ts';
import { runHeldOut, runNeighbours } from './neighbours.ts';
import { comparedSize } from './pictures.ts';
import { type ExtractSummary, summariseExtraction } from './summary.ts';
import { type ExtractThreshold, extractThreshold } from './threshold.ts';
import { openTrainingSet, type TrainingSet } from './training.ts';
import type { ExtractInput, ExtractOptions } from './types.ts';

/** What only the last stage depends on: a run goes on with other values of these. */
const judging = { keys: ['config.threshold', 'config.falsePositives'], tables: ['extracted'] };

/**
 * (ℓ2, δ)-extraction (Carlini et al. 2023, §5.1) from a model without captions: the training set is read, pictures are made by
 * seed, and each is compared with all of the training set; what is nearer to one training picture than its surroundings
 * explain is extracted. A folder with run.json, tables, images and summary.json; a killed run goes on from its
 * shards and ends with the same bytes.
 *
 * @throws VerbatimError for what cannot be compared (where it is refused with exit code 2, a folder that was not there before is
 *   removed again); the signal's reason on Ctrl-C
 */
export async function extractPictures(
  options: ExtractOptions,
): Promise<{ folder: RunFolder; summary: ExtractSummary; rows: ExtractedRow[] }> {
  const { training, maker, config, onOpen } = options;
  requirePictures(training, 'an extraction');
  if (training.size === 0)
    throw new VerbatimError(`${training.name} holds no pictures; name the training set`, { exitCode: 2 });
  const size = comparedSize(maker.size, config.side);
  const made = !existsSync(options.output);
  const { folder, resumed, release } = await openRun(options.output, describe(options), { judging });
  try {
    onOpen?.(resumed);
    const input: ExtractInput = { ...options, folder, size };
    const { set, threshold } = await prepare(input).catch(async (error: unknown) => {
      // Nothing was generated yet: the same command with other flags, or other pictures, must find the folder free.
      if (made && error instanceof VerbatimError && error.exitCode === 2)
        await rm(folder.path, { recursive: true }).catch(() => {});
      throw error;
    });
    try {
      await runExtractGenerations(input);
      await runNeighbours(input, set);
      const rows = await runExtracted(input, set, threshold.value);
      const summary = await summariseExtraction(input, set, threshold, rows);
      if (summary.generated.failed === summary.generated.pictures)
        throw new VerbatimError(
          `none of the ${summary.generated.pictures} generated pictures can be compared (the first: ${summary.failures.find(({ stage }) => stage === 'generations')?.reason})`,
        );
      await writeJsonAtomic(join(folder.path, 'summary.json'), summary);
      return { folder, summary, rows };
    } finally {
      await set.close();
    }
  } finally {
    await release();
  }
}

/** All that comes before the first generated picture, and may be refused: nothing is paid for until then. */
async function prepare(input: ExtractInput): Promise<{ set: TrainingSet; threshold: ExtractThreshold }> {
  const { folder, heldOut, config } = input;
  const set = await openTrainingSet(input);
  try {
    await runHeldOut(input, set);
    const threshold = extractThreshold(heldOut && (await heldOutDistances(folder, heldOut.name)), {
      samples: config.samples,
      falsePositives: config.falsePositives,
      most: config.threshold,
    });
    return { set, threshold };
  } catch (error) {
    await set.close();
    throw error;
  }
}

function describe({ maker, training, heldOut, config, verbatim, versions }: ExtractOptions): RunDescription {
  const { synthesis, ...rest } = config;
  return {
    command: 'extract',
    verbatim,
    versions,
    model: {
      name: maker.name,
      digest: maker.digest,
      ...(!maker.reproducible && { reproducible: false }),
    },
    dataset: { name: training.name, digest: training.digest, size: training.size },
    heldOut: heldOut === undefined ? null : { digest: heldOut.digest, size: heldOut.size },
    config: { ...rest, synthesis },
  };
}

async function heldOutDistances(folder: RunFolder, name: string): Promise<number[]> {
  const rows = await readTable(await runTable(folder, 'neighbours/held-out'), neighbourColumns);
  const distances = rows.flatMap(({ normalised }) => normalised ?? []);
  if (distances.length === 0)
    throw new VerbatimError(
      `--held-out: none of the ${rows.length} pictures of ${name} can be read${rows[0]?.error ? ` (the first: ${rows[0].error})` : ''}`,
      { exitCode: 2 },
    );
  return distances;
}
