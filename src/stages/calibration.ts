import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { Calibration } from '../labels/index.ts';
import { readTextIfThere, writeJsonAtomic } from '../tables/index.ts';
import type { RunFolder } from './run-folder.ts';

/** Beside run.json: the calibrated rule's threshold and where it comes from. */
const pathIn = (folder: RunFolder) => join(folder.path, 'calibration.json');

/** The calibration of a run; undefined when it has none (yet). @throws VerbatimError when the file is something else. */
export async function readCalibration(folder: RunFolder): Promise<Calibration | undefined> {
  const path = pathIn(folder);
  const text = await readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Calibration;
    if (typeof value.threshold === 'number' && typeof value.heldOut === 'number') return value;
  } catch {
    // Not JSON: the same line as for JSON of another kind.
  }
  throw new VerbatimError(`${path} is not a calibration; delete it and run the label stage again`);
}

/** Stores the calibration of a run. */
export async function writeCalibration(folder: RunFolder, calibration: Calibration): Promise<void> {
  await writeJsonAtomic(pathIn(folder), calibration);
}
