import type { Pipeline } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { type MadePicture, samplePictures } from '../../generators/index.ts';
import { encodePng, isPicture, type Picture, rms } from '../../images/index.ts';
import type { Meter } from '../../runtime/index.ts';
import { putFile, readTable } from '../../tables/index.ts';
import { openRun, type RunDescription, type RunFolder, runTable } from '../run-folder.ts';
import { cutShards, errorText, rethrowFatal, runStage, type StageProgress } from '../stage.ts';
import { type VerificationRow, verificationColumns } from './columns.ts';
import type { Making, RecordedFindings, RecordedPicture } from './types.ts';

export interface VerifyOptions {
  readonly findings: RecordedFindings;
  readonly pipeline: Pipeline;
  readonly meter: Pick<Meter, 'evaluations'>;
  readonly output: string;
  /** Make each picture with these numbers of steps instead of the recorded one. */
  readonly steps?: readonly number[];
  /** Pictures that are made together. */
  readonly batch: number;
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/** A recorded picture, and how it is made now. */
interface Trial {
  readonly recorded: RecordedPicture;
  readonly making: Making | string;
  /** With the recorded number of steps. */
  readonly asRecorded: boolean;
}

/** Batches per shard: what a kill can cost. */
const batchesPerShard = 2;

/**
 * Makes the pictures of findings again and holds them against what is recorded: a folder with run.json,
 * tables/verifications and images/. A killed one goes on from its shards and ends with the same bytes.
 *
 * @throws the signal's reason on Ctrl-C; VerbatimError where the folder holds something else
 */
export async function verifyFindings(
  options: VerifyOptions,
): Promise<{ folder: RunFolder; rows: VerificationRow[] }> {
  const { findings, pipeline, meter, output, steps, batch, signal, onProgress } = options;
  const { folder, release } = await openRun(output, {
    command: 'verify',
    verbatim: options.verbatim,
    versions: options.versions,
    model: { name: pipeline.name, digest: pipeline.digest },
    dataset: { name: findings.name, digest: findings.digest, size: findings.pictures.length },
    heldOut: null,
    config: { batch, ...(steps !== undefined && { steps }) },
  });
  try {
    await runStage({
      folder,
      name: 'verifications',
      columns: verificationColumns,
      shards: cutShards(trialsOf(findings.pictures, steps), batch * batchesPerShard),
      items: (trials) => trials.length,
      meter,
      signal,
      onProgress,
      process: async (trials, { advance }) => {
        const rows = new Map<Trial, VerificationRow>();
        for (const part of alike(trials, batch)) {
          signal?.throwIfAborted();
          const made = await makePictures(options, part);
          for (const [i, trial] of part.entries()) rows.set(trial, await rowOf(folder, trial, made[i]!));
          advance(part.length);
        }
        return trials.map((trial) => rows.get(trial)!);
      },
    });
    return { folder, rows: await readTable(await runTable(folder, 'verifications'), verificationColumns) };
  } finally {
    await release();
  }
}

function trialsOf(pictures: readonly RecordedPicture[], steps: readonly number[] | undefined): Trial[] {
  if (steps === undefined)
    return pictures.map((recorded) => ({ recorded, making: recorded.making, asRecorded: true }));
  return steps.flatMap((count) =>
    pictures.map((recorded): Trial => {
      const { making } = recorded;
      if (typeof making === 'string') return { recorded, making, asRecorded: false };
      return { recorded, making: { ...making, steps: count }, asRecorded: making.steps === count };
    }),
  );
}

/** Runs of trials that are made in the same way, at most `size` long; those that cannot be made go alone. */
function* alike(trials: readonly Trial[], size: number): Generator<Trial[]> {
  let part: Trial[] = [];
  for (const trial of trials) {
    const same = part.length > 0 && JSON.stringify(part[0]!.making) === JSON.stringify(trial.making);
    if (part.length > 0 && (!same || part.length === size)) {
      yield part;
      part = [];
    }
    part.push(trial);
  }
  if (part.length > 0) yield part;
}

/** When a batch throws, its pictures are tried one by one, so that one bad caption costs its own row only. */
async function makePictures(
  options: VerifyOptions,
  trials: readonly Trial[],
): Promise<readonly MadePicture[]> {
  const { pipeline, meter, signal } = options;
  const { making } = trials[0]!;
  if (typeof making === 'string')
    return trials.map(() => ({ picture: new VerbatimError(making), evaluations: 0 }));
  const tasks = trials.map(({ recorded: { caption, seed } }) => ({ caption, seed }));
  const { noise } = making;
  try {
    return await samplePictures(pipeline, tasks, making, {
      meter,
      noise,
      batch: trials.length,
      ...(signal && { signal }),
    });
  } catch (error) {
    rethrowFatal(error, signal);
    if (trials.length === 1) throw error;
    const made: MadePicture[] = [];
    for (const trial of trials)
      made.push(
        ...(await makePictures(options, [trial]).catch((reason: unknown): MadePicture[] => {
          rethrowFatal(reason, signal);
          return [{ picture: new VerbatimError(errorText(reason)), evaluations: 0 }];
        })),
      );
    if (made.every(({ picture }) => !isPicture(picture))) throw error;
    return made;
  }
}

async function rowOf(
  folder: RunFolder,
  trial: Trial,
  { picture, evaluations }: MadePicture,
): Promise<VerificationRow> {
  const { recorded, making, asRecorded } = trial;
  const made = typeof making === 'string' ? { steps: 0, sampler: '', guidance: 0, noise: '' } : making;
  const row = {
    finding: recorded.finding,
    caption: recorded.caption,
    verdict: recorded.verdict,
    rule: recorded.rule,
    seed: recorded.seed,
    ...made,
    // One step of any sampler is the clean estimate.
    sampler: made.steps === 1 ? 'euler' : made.sampler,
    image: null,
    recorded_image: asRecorded ? recorded.image : null,
    rms: null,
    recorded_distance: asRecorded ? recorded.distance : null,
    distance: null,
    threshold: recorded.threshold,
    verbatim: null,
    evaluations,
    error: null,
  } satisfies VerificationRow;
  if (!isPicture(picture)) return { ...row, error: errorText(picture) };
  const image = await putFile(folder.images, await encodePng(picture), 'png');
  try {
    const judged = await recorded.judge(picture);
    const before = asRecorded ? await recorded.picture() : null;
    return {
      ...row,
      image,
      rms: before === null ? null : distanceOf(before, picture),
      ...(judged !== null && judged),
    };
  } catch (error) {
    return { ...row, image, error: errorText(error) };
  }
}

/** Pictures of two sizes are as far apart as black and white. */
function distanceOf(a: Picture, b: Picture): number {
  return a.width === b.width && a.height === b.height ? rms(a, b) : 1;
}
