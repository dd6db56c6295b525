import type { Rule, Verdict } from '../labels/index.ts';
import type { GenerationRow, LabelRow, SignificanceRow, TruthTableRow } from '../stages/index.ts';
import { cliquesOfRun } from './cliques-step.ts';
import type { ReportData } from './data.ts';
import { groupBy } from './group.ts';
import { type Review, reviewsBySample } from './reviews.ts';

/** One full synthesis, what each rule said of it, and what a reader did. */
export interface Sample {
  readonly sample: number;
  readonly image: string | null;
  readonly error: string | null;
  /** Undefined where a label is left of a picture whose row is gone. */
  readonly generation: GenerationRow | undefined;
  readonly labels: Readonly<Partial<Record<Rule, LabelRow>>>;
  /** The newest review of this very picture. */
  readonly review: Review | undefined;
}

/** By rule, the strongest verdict over a caption's samples; null when none could be judged. */
export type Verdicts = Readonly<Partial<Record<Rule, Verdict | null>>>;

/** All that a run knows of one audited caption. */
export interface Caption {
  readonly key: string;
  readonly caption: string;
  readonly copies: number | null;
  readonly role: string | null;
  readonly truth: TruthTableRow | undefined;
  /** The truth says that the model was not trained on it. */
  readonly neverSeen: boolean;
  /** By attack; failed scores are absent. */
  readonly scores: ReadonlyMap<string, number>;
  /** How unusual its score is among those of captions never trained on; undefined where that was not asked, or failed. */
  readonly significance: Significance | undefined;
  readonly oneStep: string | null;
  readonly samples: readonly Sample[];
  /** What the rules say. */
  readonly verdicts: Verdicts;
  /** What they say of the samples that nobody has rejected: what is counted as found. */
  readonly counted: Verdicts;
  /** The rule that decides in this run: the same for all of its captions. */
  readonly rule: Rule;
  /** By the deciding rule: the sample nearest to the caption's own picture. */
  readonly own: Near | undefined;
  /** What there is to look at; undefined before the caption was judged. */
  readonly shown: Shown | undefined;
}

/** See `significanceColumns`. */
export interface Significance {
  readonly p: number;
  readonly q: number;
  readonly discovery: boolean;
}

/** A picture that a sample was compared with. */
export interface Near {
  /** Position in the training set; null when the model was not trained on it. */
  readonly index: number | null;
  /** SHA-256 of its stored PNG. */
  readonly image: string | null;
  readonly distance: number;
}

/** The sample by which a caption stands or falls: of those not rejected the strongest verdict, then the nearest. */
export interface Shown {
  readonly sample: Sample;
  /** Its row by the deciding rule. */
  readonly label: LabelRow;
  readonly verdict: Verdict;
  /** What was found, or without a finding the caption's own picture. */
  readonly picture: Near | undefined;
}

/** All rules: those that can decide first, in this order. */
export const rules: readonly Rule[] = ['aligned', 'calibrated', 'reference', 'local', 'descriptor'];

/** Of several samples' verdicts the caption gets the strongest; the order is Webster's (2023). */
const strength: readonly Verdict[] = ['none', 'RV', 'MV', 'TV'];
export const strengthOf = (verdict: Verdict): number => strength.indexOf(verdict);

/** What a finding can be, the strongest first. */
export const findingVerdicts = ['TV', 'MV', 'RV'] as const;

/**
 * The rule whose verdicts count: the first of 'aligned', 'calibrated' and 'reference' that ran. A rule ran when
 * the table has rows of it, even where all of them failed: a lax rule must not step in for a strict one that broke
 * down. Undefined before any label.
 */
export function decidingRule(labels: readonly LabelRow[]): Rule | undefined {
  return (['aligned', 'calibrated', 'reference'] as const).find((rule) =>
    labels.some((row) => row.rule === rule),
  );
}

/** What the deciding rule says of a caption, or another one. */
export function verdictOf(caption: Caption, rule: Rule = caption.rule): Verdict | null {
  return caption.verdicts[rule] ?? null;
}

/** Whether any sample has this verdict: a stronger one of another sample does not hide it. */
export function hasVerdict(caption: Caption, verdict: Verdict, rule: Rule = caption.rule): boolean {
  return caption.samples.some(({ labels }) => labels[rule]?.verdict === verdict);
}

/** Joins the tables by caption, in the order of the candidates. */
export function joinCaptions(data: ReportData): Caption[] {
  // Without labels every verdict is null, whichever rule is asked.
  const rule = decidingRule(data.labels) ?? 'calibrated';
  const truth = new Map(data.truth.map((row) => [row.key, row]));
  const filter = cliquesOfRun(data.run);
  const scores = groupBy(
    [
      ...data.scores.flatMap(({ rows }) => rows),
      ...(filter === undefined
        ? []
        : data.cliques.map(({ key, score }) => ({ key, attack: filter.name, score }))),
    ],
    (row) => row.key,
  );
  const generations = groupBy(data.generations, (row) => row.key);
  const labels = groupBy(data.labels.map(withRetrieval), (row) => row.key);
  const reviewOf = reviewsBySample(data.reviews);
  const significance = new Map(data.significance.map((row) => [row.key, row]));
  return data.candidates.map((candidate) => {
    const { key } = candidate;
    const ownLabels = groupBy(labels.get(key) ?? [], (label) => label.sample);
    const ownTruth = truth.get(key);
    const ownScores = new Map<string, number>();
    for (const { attack, score } of scores.get(key) ?? [])
      if (score !== null && !ownScores.has(attack)) ownScores.set(attack, score);
    const pictures = generations.get(key) ?? [];
    const full = new Map(pictures.filter((row) => row.sample >= 0).map((row) => [row.sample, row]));
    const samples = [...new Set([...full.keys(), ...ownLabels.keys()])]
      .sort((a, b) => a - b)
      .map((sample): Sample => {
        const generation = full.get(sample);
        const own = ownLabels.get(sample) ?? [];
        const image = generation?.image ?? own[0]?.image ?? null;
        return {
          sample,
          image,
          error: generation?.error ?? null,
          generation,
          labels: Object.fromEntries(own.map((label) => [label.rule, label])) as Sample['labels'],
          review: reviewOf(key, sample, image),
        };
      });
    const standing = samples.filter(({ review }) => review?.decision !== 'reject');
    return {
      key,
      caption: candidate.caption,
      copies: candidate.copies ?? ownTruth?.copies ?? null,
      role: candidate.role,
      truth: ownTruth,
      neverSeen: ownTruth !== undefined && !ownTruth.member,
      scores: ownScores,
      significance: significanceOf(significance.get(key)),
      oneStep: pictures.find((row) => row.sample === -1)?.image ?? null,
      samples,
      verdicts: strongest(samples),
      counted: strongest(standing),
      rule,
      own: nearest(
        samples.flatMap(({ labels: { [rule]: label } }) => (label ? [comparisonsOf(label).own] : [])),
      ),
      shown: strongestOf(standing, rule) ?? strongestOf(samples, rule),
    };
  });
}

function significanceOf(row: SignificanceRow | undefined): Significance | undefined {
  if (row === undefined || row.p_value === null || row.q_value === null) return undefined;
  return { p: row.p_value, q: row.q_value, discovery: row.discovery === true };
}

function strongest(samples: readonly Sample[]): Verdicts {
  const verdicts: Partial<Record<Rule, Verdict | null>> = {};
  for (const rule of rules) {
    const all = samples.flatMap(({ labels }) => (labels[rule]?.verdict ?? []) as Verdict | []);
    verdicts[rule] = all.sort((a, b) => strengthOf(b) - strengthOf(a))[0] ?? null;
  }
  return verdicts;
}

function strongestOf(samples: readonly Sample[], rule: Rule): Shown | undefined {
  const all = samples.flatMap((sample): Shown[] => {
    const label = sample.labels[rule];
    if (label === undefined || label.verdict === null) return [];
    const { own, other } = comparisonsOf(label);
    return [{ sample, label, verdict: label.verdict as Verdict, picture: other ?? own }];
  });
  return all.sort(
    (a, b) => strengthOf(b.verdict) - strengthOf(a.verdict) || distanceOf(a.picture) - distanceOf(b.picture),
  )[0];
}

function nearest(all: readonly (Near | undefined)[]): Near | undefined {
  let best: Near | undefined;
  for (const near of all)
    if (near !== undefined && (best === undefined || near.distance < best.distance)) best = near;
  return best;
}

/** Sorts what was not compared behind everything else; never infinite, since ∞ − ∞ is no order. */
export function distanceOf(near: Near | undefined): number {
  return near?.distance ?? Number.MAX_VALUE;
}

/**
 * What a label says of the caption's own picture, and of another one where that was repeated instead (RV) or is the
 * template's (TV): its row then names the other one.
 */
export function comparisonsOf(label: LabelRow): { own: Near | undefined; other: Near | undefined } {
  const { own } = evidenceOf(label);
  const row = rowOf(label);
  const apart = label.verdict === 'RV' || label.verdict === 'TV';
  const named = apart ? undefined : row;
  return {
    own: own === undefined ? named : { ...own, image: own.image ?? named?.image ?? null },
    other: apart ? row : undefined,
  };
}

function rowOf({ training_index, training_image, distance }: LabelRow): Near | undefined {
  return distance === null ? undefined : { index: training_index, image: training_image, distance };
}

/** Labels that are older than the verdict RV say 'none', and in their evidence that another picture was repeated. */
function withRetrieval(label: LabelRow): LabelRow {
  return label.verdict === 'none' && evidenceOf(label).retrieval ? { ...label, verdict: 'RV' } : label;
}

function evidenceOf({ evidence }: LabelRow): { own?: Near; retrieval: boolean } {
  try {
    const { own, retrieval } = JSON.parse(evidence ?? '{}') as { own?: Near; retrieval?: unknown };
    return { ...(typeof own?.distance === 'number' && { own }), retrieval: retrieval === true };
  } catch {
    return { retrieval: false };
  }
}
