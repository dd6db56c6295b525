import { bootstrapInterval, rankDescending, rocAuc, tprAtFpr, wilsonInterval } from '../math/index.ts';
import { type Caption, verdictOf } from './captions.ts';
import { cliquesOfRun } from './cliques-step.ts';
import type { ReportData } from './data.ts';
import { isFound } from './findings.ts';
import { type RocPoint, rocCorners } from './roc.ts';

/** How well one attack separates planted duplicates from captions that the model never saw. */
export interface AttackFigures {
  readonly name: string;
  /** The step of the cascade that ran it. From 2 on it scored only what other attacks had let through. */
  readonly step: number;
  /** Null, as the next two, of cliques, which score no single evaluation. */
  readonly sigma: number | null;
  readonly guidance: number | null;
  readonly seeds: string | null;
  /** Captions with a score, and captions whose score failed. */
  readonly scored: number;
  readonly failed: number;
  /** Mean cost of one caption by this attack alone. */
  readonly evaluationsPerCaption: number;
  /** Null where the truth is not known, or one of the two sets is empty. */
  readonly auc: number | null;
  readonly aucLow: number | null;
  readonly aucHigh: number | null;
  readonly tprAt1PercentFpr: number | null;
  readonly positives: number;
  readonly negatives: number;
  /** Empty where auc is null. */
  readonly roc: readonly RocPoint[];
  /** One point per finding, down the ranking of the judged captions. */
  readonly precision: readonly PrecisionPoint[];
  /** The same over the captions alone that cliques of samples confirm (Carlini 2023); null where nobody looked for cliques, and of these. */
  readonly confirmed: readonly PrecisionPoint[] | null;
}

/** Down a ranking of judged captions, where a finding is reached. */
export interface PrecisionPoint {
  readonly found: number;
  /** Captions passed so far. */
  readonly rank: number;
  /** found / rank, and its Wilson 95% interval. */
  readonly precision: number;
  readonly low: number;
  readonly high: number;
}

/** Copies from which on a planted group is a positive of the ROC. */
export const positiveCopies = 50;

/** A positive: any audited caption of a planted duplicate group of this model with ≥ 50 copies. */
export function isPositive({ truth }: Caption): boolean {
  return truth?.kind === 'duplicate' && truth.member && truth.copies >= positiveCopies;
}

/** What one attack gave the captions that it scored. */
interface Scored extends Pick<AttackFigures, 'name' | 'step' | 'sigma' | 'guidance' | 'seeds'> {
  readonly rows: readonly { readonly score: number | null; readonly evaluations: number }[];
  /** Captions that cliques confirm; null where nobody looked, and of cliques themselves. */
  readonly confirmed: ReadonlySet<string> | null;
}

/** Figures of every attack, cliques among them, in the order of the steps and then of the tables. */
export function attackFigures(data: ReportData, captions: readonly Caption[]): AttackFigures[] {
  const attacks = new Map<string, Scored>();
  for (const { step, rows: scored } of data.scores)
    for (const name of new Set(scored.map((row) => row.attack))) {
      if (attacks.has(name)) continue;
      const rows = scored.filter((row) => row.attack === name);
      const { sigma, guidance, seeds } = rows[0]!;
      attacks.set(name, { name, step, sigma, guidance, seeds, rows, confirmed: data.confirmed });
    }
  const cliques = cliquesOfRun(data.run);
  if (cliques && data.cliques.length > 0)
    attacks.set(cliques.name, {
      name: cliques.name,
      step: cliques.step,
      sigma: null,
      guidance: null,
      seeds: null,
      confirmed: null,
      rows: data.cliques,
    });
  return [...attacks.values()].sort((a, b) => a.step - b.step).map((attack) => figuresOf(attack, captions));
}

function figuresOf(attack: Scored, captions: readonly Caption[]): AttackFigures {
  const { rows, confirmed, ...named } = attack;
  const { name } = named;
  const scored = captions.filter((caption) => caption.scores.has(name));
  const scoresOf = (some: readonly Caption[]) => Float64Array.from(some, (c) => c.scores.get(name)!);
  const positives = scoresOf(scored.filter(isPositive));
  const negatives = scoresOf(scored.filter((caption) => caption.neverSeen));
  return {
    ...named,
    scored: rows.filter((row) => row.score !== null).length,
    failed: rows.filter((row) => row.score === null).length,
    evaluationsPerCaption: rows.reduce((sum, row) => sum + row.evaluations, 0) / rows.length,
    ...separation(positives, negatives),
    positives: positives.length,
    negatives: negatives.length,
    precision: precisionPoints(scored, name),
    confirmed:
      confirmed === null
        ? null
        : precisionPoints(
            scored.filter(({ key }) => confirmed.has(key)),
            name,
          ),
  };
}

function separation(positives: Float64Array, negatives: Float64Array) {
  if (positives.length === 0 || negatives.length === 0)
    return { auc: null, aucLow: null, aucHigh: null, tprAt1PercentFpr: null, roc: [] };
  const interval = bootstrapInterval(rocAuc, [positives, negatives], { resamples: 2000, seed: 1 });
  return {
    auc: rocAuc(positives, negatives),
    aucLow: interval.low,
    aucHigh: interval.high,
    tprAt1PercentFpr: tprAtFpr(positives, negatives, 0.01),
    roc: rocCorners(positives, negatives),
  };
}

/**
 * Down the attack's ranking of the captions that were synthesized and judged: precision when the 1st, 2nd,
 * … finding is reached. Captions that the cascade did not let through are not judged and not counted.
 */
function precisionPoints(scored: readonly Caption[], name: string): AttackFigures['precision'] {
  const judged = scored.filter((caption) => verdictOf(caption) !== null);
  const points: PrecisionPoint[] = [];
  rankDescending(judged.map((caption) => caption.scores.get(name)!)).forEach((index, i) => {
    if (!isFound(judged[index]!)) return;
    const found = points.length + 1;
    const rank = i + 1;
    points.push({ found, rank, precision: found / rank, ...wilsonInterval(found, rank) });
  });
  return points;
}
