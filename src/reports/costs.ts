import type { ReportData } from './data.ts';

export interface StageFigures {
  readonly name: string;
  /** Captions for the scores, pictures for generations and labels, held-out pictures for the calibration, rows for the candidates. */
  readonly items: number;
  /** Distinct captions among the items: what narrows from stage to stage. */
  readonly captions: number;
  readonly failed: number;
  /** Evaluations of the denoiser, from the tables: what an undisturbed run spends. */
  readonly evaluations: number;
  /** Over every process that worked on the stage; 0 where the log is missing. */
  readonly seconds: number;
}

/** What went wrong, by stage and reason. */
export interface Failure {
  readonly stage: string;
  readonly reason: string;
  readonly count: number;
}

interface StageRows {
  readonly name: string;
  readonly rows: readonly {
    readonly item: string;
    /** Key of its caption. */
    readonly key: string;
    readonly error: string | null;
    readonly evaluations: number;
  }[];
}

function stageRows(data: ReportData): StageRows[] {
  const scores = (rows: ReportData['scores'][number]['rows']) =>
    rows.map((row) => ({ item: row.key, key: row.key, error: row.error, evaluations: row.spent }));
  const picture = (row: { readonly key: string; readonly sample: number }) =>
    JSON.stringify([row.key, row.sample]);
  return [
    {
      name: 'candidates',
      rows: data.candidates.map((row) => ({
        item: row.key,
        key: row.key,
        error: row.error,
        evaluations: 0,
      })),
    },
    ...data.scores.map(({ step, rows }) => ({ name: `scores/${step}`, rows: scores(rows) })),
    ...(data.cliques.length === 0
      ? []
      : [
          {
            name: 'cliques',
            rows: data.cliques.map((row) => ({
              item: row.key,
              key: row.key,
              error: row.error,
              evaluations: row.evaluations,
            })),
          },
        ]),
    // Only where they were asked for: they are no part of the cascade.
    ...(data.nulls.length > 0 ? [{ name: 'nulls', rows: scores(data.nulls) }] : []),
    {
      name: 'generations',
      rows: data.generations.map((row) => ({
        item: picture(row),
        key: row.key,
        error: row.error,
        evaluations: row.evaluations,
      })),
    },
    {
      name: 'labels',
      rows: data.labels.map((row) => ({
        item: picture(row),
        key: row.key,
        error: row.error,
        evaluations: 0,
      })),
    },
  ];
}

/** Each stage's items, failures and cost, in the order in which the stages run. */
export function stageFigures(data: ReportData): StageFigures[] {
  const figures = tableFigures(data);
  const { calibration } = data;
  if (calibration === null) return figures;
  const calibrated: StageFigures = {
    name: 'calibration',
    items: calibration.heldOut + calibration.unreadable,
    captions: 0,
    failed: calibration.unreadable,
    evaluations: 0,
    seconds: data.costs.get('calibration')?.seconds ?? 0,
  };
  const at = figures.findIndex(({ name }) => name === 'labels');
  return figures.toSpliced(at, 0, calibrated);
}

/** What is looked up before the labels, and what a budget's rounds judge in between, is a part of the judging: it spends time, and has no items of its own. */
const judging = ['verdicts', 'copies', 'families', 'labels'];

/** The stages that leave tables. */
function tableFigures(data: ReportData): StageFigures[] {
  return stageRows(data).map(({ name, rows }) => ({
    name,
    items: new Set(rows.map((row) => row.item)).size,
    captions: new Set(rows.map((row) => row.key)).size,
    failed: new Set(rows.filter((row) => row.error !== null).map((row) => row.item)).size,
    evaluations: rows.reduce((sum, row) => sum + row.evaluations, 0),
    seconds: (name === 'labels' ? judging : [name]).reduce(
      (sum, stage) => sum + (data.costs.get(stage)?.seconds ?? 0),
      0,
    ),
  }));
}

/** Failed rows by stage and reason, the most frequent first within a stage. */
export function failureFigures(data: ReportData): Failure[] {
  return stageRows(data).flatMap(({ name, rows }) => {
    const counts = new Map<string, number>();
    for (const { error } of rows) if (error !== null) counts.set(error, (counts.get(error) ?? 0) + 1);
    return [...counts]
      .map(([reason, count]) => ({ stage: name, reason, count }))
      .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
  });
}

/** What generate-and-filter would have spent on the same captions (Carlini 2023, section 5). */
export interface CarliniCost {
  readonly captions: number;
  readonly samplesPerCaption: number;
  readonly stepsPerSample: number;
  /** A guided step calls the denoiser twice. */
  readonly evaluationsPerStep: number;
  readonly evaluations: number;
  /** That number over ours; null when this run spent nothing. */
  readonly ratio: number | null;
}

/** @param spent evaluations of this run */
export function carliniCost(captions: number, spent: number): CarliniCost {
  const recipe = { samplesPerCaption: 500, stepsPerSample: 50, evaluationsPerStep: 2 };
  const evaluations = captions * recipe.samplesPerCaption * recipe.stepsPerSample * recipe.evaluationsPerStep;
  return { captions, ...recipe, evaluations, ratio: spent > 0 ? evaluations / spent : null };
}
