import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { Calibration } from '../labels/index.ts';
import {
  type CandidateRow,
  candidateColumns,
  type GenerationRow,
  generationColumns,
  type LabelRow,
  labelColumns,
  type RunDescription,
  readLog,
  readRun,
  runFolder,
  runTable,
  type ScoreRow,
  type SelectionRow,
  type StageCost,
  scoreColumns,
  selectionColumns,
  stageCosts,
  type TruthTableRow,
  truthColumns,
} from '../stages/index.ts';
import { type Columns, type Row, readTable } from '../tables/index.ts';

/** Everything a report is made from: the tables of a run and what its stages took. */
export interface ReportData {
  readonly run: RunDescription;
  /** By stage name ('scores/all', …): evaluations and seconds over every process that worked on it. */
  readonly costs: ReadonlyMap<string, StageCost>;
  readonly candidates: readonly CandidateRow[];
  /** Scores of every caption, and of those that the first attack selected. */
  readonly scores: { readonly all: readonly ScoreRow[]; readonly selected: readonly ScoreRow[] };
  readonly selections: readonly SelectionRow[];
  readonly generations: readonly GenerationRow[];
  readonly labels: readonly LabelRow[];
  /** Empty where the truth is not known. */
  readonly truth: readonly TruthTableRow[];
  /** Null when the run was labelled by the reference rule only. */
  readonly calibration: Calibration | null;
}

/** Name of the file beside run.json that holds the calibrated rule's threshold and where it comes from. */
export const calibrationFile = 'calibration.json';

/**
 * Reads a run folder. Tables that do not exist yet are empty: a report can be made of an unfinished run.
 * @throws VerbatimError when there is no run.json, or a file is not what it should be.
 */
export async function readReportData(path: string): Promise<ReportData> {
  const folder = runFolder(path);
  const run = await readRun(path);
  const rows = async <C extends Columns>(name: string, columns: C): Promise<Row<C>[]> =>
    readTable(await runTable(folder, name), columns);
  return {
    run,
    costs: stageCosts(await readLog(folder.log)),
    candidates: await rows('candidates', candidateColumns),
    scores: {
      all: await rows('scores/all', scoreColumns),
      selected: await rows('scores/selected', scoreColumns),
    },
    selections: await rows('selections', selectionColumns),
    generations: await rows('generations', generationColumns),
    labels: await rows('labels', labelColumns),
    truth: await rows('truth', truthColumns),
    calibration: await readCalibration(join(path, calibrationFile)),
  };
}

async function readCalibration(path: string): Promise<Calibration | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const value = JSON.parse(text) as Calibration;
    if (typeof value.threshold === 'number' && typeof value.heldOut === 'number') return value;
  } catch {
    // Not JSON: the same line as for JSON of another kind.
  }
  throw new VerbatimError(`${path} is not a calibration; delete it and run the label stage again`);
}
