import type { Caption } from './captions.ts';
import { cliquesOfRun } from './cliques-step.ts';
import { carliniCost } from './costs.ts';
import type { ReportData } from './data.ts';
import { imagesFound } from './findings.ts';

/** Distinct training images that were found when so many evaluations had been spent. */
export interface FoundPoint {
  readonly evaluations: number;
  readonly found: number;
}

/** What a run found, in the order in which it spent. */
export interface FoundCurve {
  readonly name: string;
  readonly captions: number;
  /** From nothing, a point for every finding, to what was spent in all. */
  readonly points: readonly FoundPoint[];
}

/** What a published method would spend on as many captions; what it would find is not known. */
export interface Recipe {
  readonly name: string;
  readonly evaluations: number;
}

export interface FoundAgainstEvaluations {
  /** This run, then those that were named beside it. */
  readonly curves: readonly FoundCurve[];
  readonly recipes: readonly Recipe[];
}

/**
 * The measured curve of a run: its tables in the order in which their evaluations were spent, by `found` of the deciding
 * rule. A run with a budget goes in rounds, any other through the steps, the captions never trained on, and then the
 * pictures. It ends at what all stages have spent.
 */
export function foundCurve(data: ReportData, captions: readonly Caption[], name: string): FoundCurve {
  const images = imagesFound(captions);
  const found = new Set<string>();
  const points: FoundPoint[] = [{ evaluations: 0, found: 0 }];
  let evaluations = 0;
  for (const { cost, picture } of spending(data)) {
    evaluations += cost;
    if (picture === undefined) continue;
    for (const image of images.get(picture) ?? []) found.add(image);
    if (found.size === points.at(-1)!.found) continue;
    // Pictures that are there already cost nothing: one point for all that they show.
    if (points.length > 1 && points.at(-1)!.evaluations === evaluations) points.pop();
    points.push({ evaluations, found: found.size });
  }
  if (evaluations > points.at(-1)!.evaluations) points.push({ evaluations, found: found.size });
  return { name, captions: captions.length, points };
}

interface Spent {
  readonly cost: number;
  /** Of a generated picture: which. */
  readonly picture?: string;
}

/** How `imagesFound` names a picture. */
export function pictureKey(key: string, sample: number): string {
  return JSON.stringify([key, sample]);
}

function* spending(data: ReportData): Iterable<Spent> {
  const { generations, rounds } = data;
  const steps = stepCosts(data);
  const pictures = captionCosts(generations.filter(({ sample }) => sample <= 0));
  const done = new Map<number, number>();
  const next = (step: number, list: readonly (readonly Spent[])[], count: number) => {
    const from = done.get(step) ?? 0;
    done.set(step, from + count);
    return list.slice(from, from + count).flat();
  };
  // The step after the last one that scores is the synthesis.
  for (const { step, captions } of rounds) yield* next(step, steps.get(step) ?? pictures, captions);
  for (const [step, list] of steps) yield* next(step, list, list.length);
  yield* data.nulls.map(spentOn);
  if (rounds.length === 0) return yield* generations.map(spentOn);
  const last = Math.max(...rounds.map(({ step }) => step));
  yield* next(last, pictures, pictures.length);
  yield* generations.filter(({ sample }) => sample > 0).map(spentOn);
}

/** By step of the cascade, in their order: what it scored, and after that what it sampled. */
function stepCosts({ run, scores, cliques }: ReportData): Map<number, readonly Spent[][]> {
  const steps = new Map<number, readonly Spent[][]>();
  const add = (step: number, list: readonly Spent[][]) =>
    steps.set(step, [...(steps.get(step) ?? []), ...list]);
  for (const { step, rows } of scores) add(step, captionCosts(rows));
  const filter = cliquesOfRun(run);
  if (filter) add(filter.step, captionCosts(cliques));
  return new Map([...steps].sort(([a], [b]) => a - b));
}

interface CostRow {
  readonly key: string;
  readonly spent?: number;
  readonly evaluations: number;
  readonly sample?: number;
}

/** By caption, in the order of the table. */
function captionCosts(rows: readonly CostRow[]): Spent[][] {
  const byKey = new Map<string, Spent[]>();
  for (const row of rows) {
    const list = byKey.get(row.key) ?? [];
    list.push(spentOn(row));
    byKey.set(row.key, list);
  }
  return [...byKey.values()];
}

function spentOn({ key, spent, evaluations, sample }: CostRow): Spent {
  return {
    cost: spent ?? evaluations,
    ...(sample !== undefined && sample >= 0 && { picture: pictureKey(key, sample) }),
  };
}

/** Captions that the cascade of Webster 2023 scores by ECS, and that it synthesizes: see `recipes`. */
export function websterCounts(captions: number): { readonly scored: number; readonly synthesized: number } {
  const scored = Math.ceil(captions * 0.015);
  return { scored, synthesized: Math.min(500, scored, Math.max(1, Math.round(captions * 0.05))) };
}

/**
 * What published methods would spend on so many captions. A guided call costs two for everyone.
 *
 * - The cascade of Webster 2023: DCS for all, guided; ECS with four seeds, guided, for the top 1.5%; of those max(1, 5% of all
 *   captions), at most 500, synthesized by 16 Heun steps (31 calls) from two seeds, guided.
 * - Generate-and-filter: `carliniCost`.
 */
export function recipes(captions: number): Recipe[] {
  const { scored, synthesized } = websterCounts(captions);
  return [
    { name: 'cascade of Webster 2023', evaluations: 2 * captions + 8 * scored + 2 * 31 * 2 * synthesized },
    { name: 'generate and filter (Carlini 2023)', evaluations: carliniCost(captions, 0).evaluations },
  ];
}

/** When so many had been found; undefined where they never were. */
export function evaluationsAt({ points }: FoundCurve, found: number): number | undefined {
  return points.find((point) => point.found >= found)?.evaluations;
}
