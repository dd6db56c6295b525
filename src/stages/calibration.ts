import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import {
  type Calibration,
  type CopyCalibration,
  calibrateCopies,
  calibrateOnNearest,
  nearestPictures,
} from '../labels/index.ts';
import { fewestScores } from '../math/index.ts';
import { readTextIfThere, writeJsonAtomic } from '../tables/index.ts';
import type { Compared } from './compared.ts';
import type { StageInput } from './flow.ts';
import { appendLog } from './log.ts';
import type { RunFolder } from './run-folder.ts';

/** The calibration of a run: of distances in place, and of copies that may have moved where those are looked for. */
export interface RunCalibration extends Calibration {
  readonly copies: CopyCalibration | null;
}

/** Beside run.json: the thresholds and where they come from. */
const pathIn = (folder: RunFolder) => join(folder.path, 'calibration.json');

/** The calibration of a run; undefined when it has none (yet). @throws VerbatimError when the file is something else. */
export async function readCalibration(folder: RunFolder): Promise<RunCalibration | undefined> {
  const path = pathIn(folder);
  const text = await readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as RunCalibration;
    if (typeof value.threshold === 'number' && typeof value.heldOut === 'number')
      return { ...value, copies: value.copies ?? null };
  } catch {
    // Not JSON: the same line as for JSON of another kind.
  }
  throw new VerbatimError(`${path} is not a calibration; delete it and run the label stage again`);
}

/** Stores the calibration of a run. */
export async function writeCalibration(
  folder: RunFolder,
  calibration: Calibration & Partial<RunCalibration>,
): Promise<void> {
  await writeJsonAtomic(pathIn(folder), calibration);
}

/** Reads the calibration of this run, or makes it: once, since the training set is compared as a whole. */
export async function openCalibration(
  input: StageInput,
  compared: Compared,
  withCopies: boolean,
): Promise<RunCalibration> {
  const { config, data, folder, signal, onProgress } = input;
  const known = await readCalibration(folder);
  if (known !== undefined) return known;
  const size = data.heldOut?.size ?? 0;
  const started = performance.now();
  let failed = 0;
  // Reading, comparing in place, and looking for copies take about as long as each other.
  const report = (share: number) =>
    onProgress?.({
      stage: 'calibration',
      done: Math.round(share * size),
      total: size,
      resumed: 0,
      failed,
      evaluations: 0,
    });
  const { pictures, errors } = await compared.heldOut((read) => report(read / size / 3));
  failed = errors.length;
  if (pictures.length === 0)
    throw new VerbatimError(
      `labels.heldOut: none of the ${size} pictures can be read (the first: ${errors[0]})`,
    );
  const options = {
    ...(config.threads !== undefined && { threads: config.threads }),
    ...(signal && { signal }),
  };
  const { quantile, rules } = config.labels;
  // A run without labels must not look like one in which nothing was found.
  if (pictures.length < fewestScores && rules.every((rule) => rule === 'aligned' || rule === 'local'))
    throw new VerbatimError(
      `labels: ${pictures.length} held-out pictures can be read, the rules ${rules.join(' and ')} need ${fewestScores}, and no other rule is left; name more pictures in labels.heldOut, or add calibrated to labels.rules`,
      { exitCode: 2 },
    );
  const nearest = await nearestPictures(pictures, compared.training, {
    ...options,
    onProgress: (share) => report((1 + share) / 3),
  });
  const inPlace = calibrateOnNearest(nearest, compared.training.size, quantile);
  // Too few to have a tail: copies are not looked for, as was said with the plan.
  const copies =
    withCopies && pictures.length >= fewestScores
      ? await calibrateCopies(await compared.unrelated(), nearest.neighbours, compared.copies, quantile, {
          ...options,
          onProgress: (share) => report((2 + share) / 3),
        })
      : null;
  const calibration = { ...inPlace, unreadable: errors.length, copies };
  await writeCalibration(folder, calibration);
  await appendLog(folder.log, {
    stage: 'calibration',
    shard: 0,
    rows: size,
    failed: errors.length,
    evaluations: 0,
    seconds: (performance.now() - started) / 1000,
  });
  return calibration;
}
