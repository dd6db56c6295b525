import { VerbatimError } from '../errors.ts';
import type { Mask } from '../images/index.ts';
import {
  type CandidateRow,
  type CliqueRow,
  candidateColumns,
  cliqueColumns,
  type GenerationRow,
  generationColumns,
  type LabelRow,
  labelColumns,
  type ReviewRow,
  type RoundRow,
  type RunCalibration,
  type RunDescription,
  readCalibration,
  readLog,
  readReviews,
  readRun,
  roundColumns,
  runFolder,
  runTable,
  type ScoreRow,
  type SelectionRow,
  type SignificanceRow,
  type StageCost,
  scoreColumns,
  selectionColumns,
  significanceColumns,
  stageCosts,
  type TruthTableRow,
  tableSteps,
  truthColumns,
} from '../stages/index.ts';
import { type Columns, type Row, readTable } from '../tables/index.ts';
import { readSamePrompt } from './duplication.ts';
import { familyLabels } from './families.ts';
import { readMasks } from './images.ts';

/** Everything a report is made from: the tables of a run and what its stages took. */
export interface ReportData {
  readonly run: RunDescription;
  /** By stage name ('scores/1', …): evaluations and seconds over every process that worked on it. */
  readonly costs: ReadonlyMap<string, StageCost>;
  readonly candidates: readonly CandidateRow[];
  /** What the steps of the cascade scored, in their order; a step that read another one's scores is not there. */
  readonly scores: readonly { readonly step: number; readonly rows: readonly ScoreRow[] }[];
  readonly selections: readonly SelectionRow[];
  /** Of a run with a budget: what its rounds were planned to do. Else empty. */
  readonly rounds: readonly RoundRow[];
  /** What generate-and-filter said; empty without such a step. */
  readonly cliques: readonly CliqueRow[];
  readonly generations: readonly GenerationRow[];
  readonly labels: readonly LabelRow[];
  /** Whether the labels are there: a finished run whose cascade let nothing through has them, and no row. */
  readonly labelled: boolean;
  /** Scores of captions never trained on, and what the candidates' scores are worth beside them; empty where none were asked for. */
  readonly nulls: readonly ScoreRow[];
  readonly significance: readonly SignificanceRow[];
  /** Keys of the captions that another look confirms, as cliques of samples do; null where nobody took one. */
  readonly confirmed: ReadonlySet<string> | null;
  /** By key: the share of a caption's duplicate group that has the same caption; null without a dedup folder. */
  readonly samePrompt: ReadonlyMap<string, number> | null;
  /** What was decided by hand, the oldest first. */
  readonly reviews: readonly ReviewRow[];
  /** Empty where the truth is not known. */
  readonly truth: readonly TruthTableRow[];
  /** Null when the run was labelled by the reference rule only. */
  readonly calibration: RunCalibration | null;
  /**
   * By digest: the masks of template findings that the truth can be held against, at the size of the generated
   * pictures. One that cannot be read is absent.
   */
  readonly masks: ReadonlyMap<string, Mask>;
}

/**
 * Reads a run folder. Tables that do not exist yet are empty: a report can be made of an unfinished run.
 * @throws VerbatimError when there is no run.json, it is of another command (exit code 2), or a file is not what it should be.
 */
export async function readReportData(path: string): Promise<ReportData> {
  const folder = runFolder(path);
  const run = await readRun(path);
  if (run.command !== 'audit')
    throw new VerbatimError(
      `${path} is a run of "verbatim ${run.command}", which writes a report of its own; name the folder of an audit`,
      { exitCode: 2 },
    );
  const rows = async <C extends Columns>(name: string, columns: C): Promise<Row<C>[]> =>
    readTable(await runTable(folder, name), columns);
  const labelFiles = await runTable(folder, 'labels');
  const labels = await readTable(labelFiles, labelColumns);
  const truth = await rows('truth', truthColumns);
  const cliques = await rows('cliques', cliqueColumns);
  return {
    run,
    costs: stageCosts(await readLog(folder.log)),
    candidates: await rows('candidates', candidateColumns),
    scores: await Promise.all(
      (await tableSteps(folder, 'scores')).map(async (step) => ({
        step,
        rows: await rows(`scores/${step}`, scoreColumns),
      })),
    ),
    selections: (await rows('selections', selectionColumns)).sort(
      (a, b) => a.step - b.step || a.rank - b.rank,
    ),
    rounds: await rows('rounds', roundColumns),
    cliques,
    generations: await rows('generations', generationColumns),
    labels,
    labelled: labelFiles.length > 0,
    nulls: await rows('nulls', scoreColumns),
    significance: await rows('significance', significanceColumns),
    confirmed:
      cliques.length === 0
        ? null
        : new Set(cliques.flatMap(({ key, decision }) => (decision === 'clique' ? [key] : []))),
    samePrompt: await readSamePrompt(run),
    reviews: await readReviews(folder),
    truth,
    calibration: (await readCalibration(folder)) ?? null,
    masks: await readMasks(folder, familyLabels(truth, labels)),
  };
}
