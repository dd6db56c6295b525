import type { Rule, Verdict } from '../labels/index.ts';
import type { LabelRow, TruthTableRow } from '../stages/index.ts';
import type { ReportData } from './data.ts';

/** One full synthesis and what each rule said of it. */
export interface Sample {
  readonly sample: number;
  readonly image: string | null;
  readonly error: string | null;
  readonly labels: Readonly<Partial<Record<Rule, LabelRow>>>;
}

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
  readonly oneStep: string | null;
  readonly samples: readonly Sample[];
  /** The strongest verdict over its samples; null when none could be judged. */
  readonly verdicts: Readonly<Partial<Record<Rule, Verdict | null>>>;
  /** The rule that decides in this run: the same for all of its captions. */
  readonly rule: Rule;
  /** By the deciding rule: the sample nearest to the caption's own picture. */
  readonly own: Near | undefined;
  /**
   * The sample nearest to another training picture than the caption's own, where that lies within the calibrated
   * threshold: the model repeated what belongs to another caption.
   */
  readonly other: Near | undefined;
}

/** A picture that a sample was compared with. */
export interface Near {
  /** Position in the training set; null when the model was not trained on it. */
  readonly index: number | null;
  /** SHA-256 of its stored PNG. */
  readonly image: string | null;
  readonly distance: number;
}

const rules: readonly Rule[] = ['reference', 'calibrated', 'aligned', 'local', 'descriptor'];

/** Of several samples' verdicts the caption gets the strongest. */
const strength: readonly Verdict[] = ['none', 'RV', 'TV', 'MV'];

/**
 * The rule whose verdicts count: 'calibrated' where it ran, else 'reference'. A rule ran when the table has
 * rows of it, even where all of them failed: a lax rule must not step in for a strict one that broke down.
 * Undefined before any label.
 */
export function decidingRule(labels: readonly LabelRow[]): Rule | undefined {
  return (['calibrated', 'reference'] as const).find((rule) => labels.some((row) => row.rule === rule));
}

/** What the deciding rule says of a caption, or another one. */
export function verdictOf(caption: Caption, rule: Rule = caption.rule): Verdict | null {
  return caption.verdicts[rule] ?? null;
}

/** Joins the tables by caption, in the order of the candidates. */
export function joinCaptions(data: ReportData): Caption[] {
  // Without labels every verdict is null, whichever rule is asked.
  const rule = decidingRule(data.labels) ?? 'calibrated';
  const truth = new Map(data.truth.map((row) => [row.key, row]));
  const scores = groupBy([...data.scores.all, ...data.scores.selected], (row) => row.key);
  const generations = groupBy(data.generations, (row) => row.key);
  const labels = groupBy(data.labels, (row) => row.key);
  return data.candidates.map((candidate) => {
    const { key } = candidate;
    const ownLabels = labels.get(key) ?? [];
    const compared = ownLabels.map((label) => ({ label, ...comparisonsOf(label) }));
    const ownTruth = truth.get(key);
    const ownScores = new Map<string, number>();
    for (const { attack, score } of scores.get(key) ?? [])
      if (score !== null && !ownScores.has(attack)) ownScores.set(attack, score);
    const pictures = generations.get(key) ?? [];
    const samples = pictures
      .filter((row) => row.sample >= 0)
      .sort((a, b) => a.sample - b.sample)
      .map(({ sample, image, error }) => ({
        sample,
        image,
        error,
        labels: Object.fromEntries(
          ownLabels.filter((label) => label.sample === sample).map((label) => [label.rule, label]),
        ) as Sample['labels'],
      }));
    return {
      key,
      caption: candidate.caption,
      copies: candidate.copies ?? ownTruth?.copies ?? null,
      role: candidate.role,
      truth: ownTruth,
      neverSeen: ownTruth !== undefined && !ownTruth.member,
      scores: ownScores,
      oneStep: pictures.find((row) => row.sample === -1)?.image ?? null,
      samples,
      verdicts: Object.fromEntries(
        rules.map((rule) => [rule, strongest(ownLabels, rule)]),
      ) as Caption['verdicts'],
      rule,
      own: nearest(compared.filter(({ label }) => label.rule === rule).map(({ own }) => own)),
      other: nearest(compared.map(({ other }) => other)),
    };
  });
}

function strongest(labels: readonly LabelRow[], rule: Rule): Verdict | null {
  let best = -1;
  for (const label of labels)
    if (label.rule === rule && label.verdict !== null)
      best = Math.max(best, strength.indexOf(label.verdict as Verdict));
  return strength[best] ?? null;
}

function nearest(all: readonly (Near | undefined)[]): Near | undefined {
  let best: Near | undefined;
  for (const near of all)
    if (near !== undefined && (best === undefined || near.distance < best.distance)) best = near;
  return best;
}

/**
 * What a label says of the caption's own picture, and of another caption's where that was repeated: its row then
 * names the other one.
 */
export function comparisonsOf(label: LabelRow): { own: Near | undefined; other: Near | undefined } {
  const { own, retrieval } = evidenceOf(label);
  const row = rowOf(label);
  const named = retrieval ? undefined : row;
  return {
    own: own === undefined ? named : { ...own, image: own.image ?? named?.image ?? null },
    other: retrieval ? row : undefined,
  };
}

function rowOf({ training_index, training_image, distance }: LabelRow): Near | undefined {
  return distance === null ? undefined : { index: training_index, image: training_image, distance };
}

function evidenceOf({ evidence }: LabelRow): { own?: Near; retrieval: boolean } {
  try {
    const { own, retrieval } = JSON.parse(evidence ?? '{}') as { own?: Near; retrieval?: unknown };
    return { ...(typeof own?.distance === 'number' && { own }), retrieval: retrieval === true };
  } catch {
    return { retrieval: false };
  }
}

/** Items by a key, in their order. */
export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
