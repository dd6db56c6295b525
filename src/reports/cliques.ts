import { type CliquesDecision, prepareCliques } from '../attacks/index.ts';
import type { CliqueRow } from '../stages/index.ts';
import { type Caption, verdictOf } from './captions.ts';
import { cliquesOfRun } from './cliques-step.ts';
import type { ReportData } from './data.ts';
import { isFound } from './findings.ts';

/** What generate-and-filter found and what it took: `cliques` of summary.json. */
export interface CliqueFigures {
  /** Samples per caption at most, members that flag, and the threshold below which samples are alike. */
  readonly samplesPerCaption: number;
  readonly clique: number;
  readonly threshold: number;
  readonly captions: number;
  readonly decisions: Readonly<Record<CliquesDecision, number>>;
  readonly flagged: number;
  /** Samples that were drawn, and what as many as are allowed would be. */
  readonly samples: number;
  readonly allSamples: number;
  readonly failedSamples: number;
  readonly evaluations: number;
  /** Of the flagged captions: those that were judged, and of these the findings. */
  readonly judged: number;
  readonly found: number;
  /** Flagged captions that the model never saw; null where the truth is not known. */
  readonly neverSeenFlagged: number | null;
  /** Captions whose largest clique is only known within bounds. */
  readonly unproven: number;
  /** Whether the labelled pictures are those that it has extracted. */
  readonly extracts: boolean;
}

/** Null where the cascade has no such step, or has not come to it. */
export function cliqueFigures(data: ReportData, captions: readonly Caption[]): CliqueFigures | null {
  const { cliques } = data;
  const step = cliquesOfRun(data.run);
  if (step === undefined || cliques.length === 0) return null;
  const { samples, clique, threshold } = prepareCliques(step.options).options;
  const sum = (of: (row: CliqueRow) => number) => cliques.reduce((total, row) => total + of(row), 0);
  const decisions: Record<CliquesDecision, number> = { clique: 0, futile: 0, exhausted: 0, failed: 0 };
  for (const { decision } of cliques) decisions[decision as CliquesDecision]++;
  const known = new Map(captions.map((caption) => [caption.key, caption]));
  const flagged = flaggedRows(cliques).flatMap(({ key }) => known.get(key) ?? []);
  const judged = flagged.filter((caption) => verdictOf(caption) !== null);
  return {
    samplesPerCaption: samples,
    clique,
    threshold,
    captions: cliques.length,
    decisions,
    flagged: decisions.clique,
    samples: sum((row) => row.samples),
    allSamples: cliques.length * samples,
    failedSamples: sum(({ failed }) => failed),
    evaluations: sum(({ evaluations }) => evaluations),
    judged: judged.length,
    found: judged.filter((caption) => isFound(caption)).length,
    neverSeenFlagged: data.truth.length === 0 ? null : flagged.filter(({ neverSeen }) => neverSeen).length,
    unproven: cliques.filter(({ proven }) => !proven).length,
    extracts: step.last,
  };
}

/** Flagged captions, those whose samples are most alike first. */
export function flaggedRows(cliques: readonly CliqueRow[]): CliqueRow[] {
  return cliques
    .filter(({ decision }) => decision === 'clique')
    .sort((a, b) => b.score! - a.score! || (a.key < b.key ? -1 : 1));
}

/** So many of them are shown; the table holds all. */
export const shownCliques = 60;

/** Digests of the pictures that the section shows. */
export function cliqueImages(cliques: readonly CliqueRow[], captions: readonly Caption[]): string[] {
  const known = new Map(captions.map((caption) => [caption.key, caption]));
  return flaggedRows(cliques)
    .slice(0, shownCliques)
    .flatMap(({ key, image }) => [image, known.get(key)?.shown?.picture?.image])
    .filter((image) => typeof image === 'string');
}
