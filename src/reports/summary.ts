import type { Rule } from '../labels/index.ts';
import type { LabelRow, RunCalibration } from '../stages/index.ts';
import { type AttackFigures, attackFigures } from './attacks.ts';
import { type Caption, decidingRule, rules, verdictOf } from './captions.ts';
import { type CliqueFigures, cliqueFigures } from './cliques.ts';
import {
  type CarliniCost,
  carliniCost,
  type Failure,
  failureFigures,
  type StageFigures,
  stageFigures,
} from './costs.ts';
import type { ReportData } from './data.ts';
import { type DistanceBin, distanceBins } from './distances.ts';
import { type Duplication, duplicationFigures } from './duplication.ts';
import { type FamilyRecall, recallByFamily } from './families.ts';
import {
  countFound,
  countNeverSeen,
  countReviews,
  countVerdicts,
  type Found,
  type NeverSeen,
  type Recall,
  type ReviewCounts,
  recallByCopies,
  type VerdictCounts,
} from './findings.ts';
import { type FoundAgainstEvaluations, type FoundCurve, foundCurve, recipes } from './found-curve.ts';
import { type SignificanceFigures, significanceFigures } from './significance.ts';

/** One rule's outcome, for those that ran side by side. */
export interface RuleFigures extends Found {
  readonly rule: Rule;
  /** In the rule's own unit (docs/labels.md). Null where it could judge nothing. */
  readonly threshold: number | null;
  readonly falsePositives: number;
}

/** Every figure of the report: the content of report/summary.json, described in docs/report.md. */
export interface Summary {
  readonly model: string;
  readonly modelDigest: string;
  readonly dataset: string;
  readonly datasetDigest: string;
  readonly captions: number;
  readonly truthKnown: boolean;
  readonly evaluations: number;
  readonly seconds: number;
  readonly stages: readonly StageFigures[];
  /** How many captions each step of the cascade kept. */
  readonly selected: readonly { readonly step: number; readonly attack: string; readonly captions: number }[];
  readonly attacks: readonly AttackFigures[];
  /** Null without a step that generates and filters. */
  readonly cliques: CliqueFigures | null;
  /** Whose verdicts all figures count that name no other: see `decidingRule`. Null before any label. */
  readonly rule: Rule | null;
  readonly labels: VerdictCounts;
  readonly judged: number;
  /** The labels are there: by `judged` = 0 nothing was let through that could be judged. */
  readonly labelled: boolean;
  /**
   * Captions that were selected for synthesis and could not be judged, and those of which generate-and-filter had too few
   * samples: any of them may hide a finding. 0 before any label.
   */
  readonly unjudged: number;
  readonly found: Found;
  readonly reviews: ReviewCounts;
  readonly rules: readonly RuleFigures[];
  readonly falsePositives: number;
  readonly neverSeen: NeverSeen;
  readonly recall: readonly Recall[];
  readonly families: readonly FamilyRecall[];
  readonly distances: readonly DistanceBin[];
  /** How sure the scores are; null where the run does not ask. */
  readonly significance: SignificanceFigures | null;
  readonly duplication: Duplication;
  readonly calibration: RunCalibration | null;
  readonly carlini: CarliniCost;
  readonly foundAgainstEvaluations: FoundAgainstEvaluations;
  readonly failures: readonly Failure[];
}

/**
 * All figures from the tables; pure, and the same for the same tables but for `seconds`.
 *
 * @param beside what other runs found against what they spent
 */
export function summarize(
  data: ReportData,
  captions: readonly Caption[],
  beside: readonly FoundCurve[] = [],
): Summary {
  const stages = stageFigures(data);
  const evaluations = stages.reduce((sum, stage) => sum + stage.evaluations, 0);
  const neverSeen = countNeverSeen(captions);
  const labels = countVerdicts(captions);
  const rule = decidingRule(data.labels) ?? null;
  const ran = ruleFigures(data, captions);
  return {
    model: data.run.model.name,
    modelDigest: data.run.model.digest,
    dataset: data.run.dataset.name,
    datasetDigest: data.run.dataset.digest,
    captions: captions.length,
    truthKnown: data.truth.length > 0,
    evaluations,
    seconds: stages.reduce((sum, stage) => sum + stage.seconds, 0),
    stages,
    selected: selectionFigures(data),
    attacks: attackFigures(data, captions),
    cliques: cliqueFigures(data, captions),
    rule,
    labels,
    judged: labels.MV + labels.RV + labels.TV + labels.none,
    labelled: data.labelled,
    unjudged: data.labelled ? captions.filter(isUnjudged(data)).length : 0,
    found: countFound(captions),
    reviews: countReviews(data.reviews, captions),
    rules: ran,
    falsePositives: neverSeen.falsePositives,
    neverSeen,
    recall: recallByCopies(data.truth, captions),
    families: recallByFamily(data.truth, captions, data.labels, data.masks),
    distances: distanceBins(captions, ran[0]?.threshold ?? null),
    significance: significanceFigures(data, captions),
    duplication: duplicationFigures(data, captions),
    calibration: data.calibration,
    carlini: carliniCost(captions.length, evaluations),
    foundAgainstEvaluations: {
      curves: [foundCurve(data, captions, 'this run'), ...beside],
      recipes: recipes(captions.length),
    },
    failures: failureFigures(data),
  };
}

/**
 * Whether the run says what was found: pictures were judged, or generate-and-filter has decided captions to the end and flags
 * none. That no caption had a score says nothing.
 */
export function hasOutcome({ labelled, judged, cliques }: Summary): boolean {
  if (judged > 0) return true;
  if (!labelled || cliques === null || cliques.flagged > 0) return false;
  return cliques.decisions.futile + cliques.decisions.exhausted > 0;
}

function isUnjudged({ cliques }: ReportData): (caption: Caption) => boolean {
  const failed = new Set(cliques.flatMap(({ key, decision }) => (decision === 'failed' ? [key] : [])));
  return (caption) => (caption.samples.length > 0 || failed.has(caption.key)) && verdictOf(caption) === null;
}

/** Of the rules that ran, the deciding one first. */
function ruleFigures(data: ReportData, captions: readonly Caption[]): RuleFigures[] {
  return rules.flatMap((rule) => {
    const rows = data.labels.filter((row) => row.rule === rule);
    if (rows.length === 0) return [];
    return {
      rule,
      threshold: thresholdOf(rows),
      ...countFound(captions, rule),
      falsePositives: countNeverSeen(captions, rule).falsePositives,
    };
  });
}

/** That of the caption's own picture: another one may have to come nearer, and each template has its own. */
function thresholdOf(rows: readonly LabelRow[]): number | null {
  const known = rows.filter((row) => row.threshold !== null);
  return (known.find(({ verdict }) => verdict === 'MV' || verdict === 'none') ?? known[0])?.threshold ?? null;
}

function selectionFigures(data: ReportData): Summary['selected'] {
  const counts = new Map<number, { step: number; attack: string; captions: number }>();
  for (const { step, attack } of data.selections) {
    const entry = counts.get(step) ?? { step, attack, captions: 0 };
    entry.captions++;
    counts.set(step, entry);
  }
  return [...counts.values()];
}
