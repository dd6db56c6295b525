import { clopperPearsonInterval, fewestDiscoveries, smallestPValue } from '../math/index.ts';
import type { Caption } from './captions.ts';
import type { ReportData } from './data.ts';
import { findingOf, isFound } from './findings.ts';
import { groupBy } from './group.ts';

/** What an audited caption is, for the chart: counted as found, known as never seen, or neither. */
export type RankedKind = 'found' | 'neverSeen' | 'others';

/** A caption in the order of its p-value. */
export interface RankedCaption {
  /** From 1, of all that were tested. */
  readonly rank: number;
  readonly p: number;
  readonly q: number;
  readonly kind: RankedKind;
}

/** A finding and what its caption's score is worth. */
export interface SureFinding {
  readonly key: string;
  readonly caption: string;
  readonly verdict: string;
  readonly score: number;
  readonly p: number;
  readonly q: number;
  readonly discovery: boolean;
}

/** How sure the scores are. */
export interface SignificanceFigures {
  readonly attack: string;
  /** The rate of false discoveries that was asked for, and what it holds for. */
  readonly rate: number;
  readonly dependence: 'positive' | 'any';
  /** Captions never trained on that were scored, and those whose score failed. */
  readonly nulls: number;
  readonly nullsFailed: number;
  /** By the kind of captions that a score is held against: 'any', or for a planted set 'single' and 'template'. */
  readonly kinds: readonly {
    readonly kind: string;
    readonly nulls: number;
    readonly tested: number;
    readonly discoveries: number;
  }[];
  /** Audited captions with a p-value, and those without a score. */
  readonly tested: number;
  readonly untested: number;
  readonly smallestP: number;
  /** So many captions must exceed all null scores before any is a discovery. */
  readonly fewest: number;
  readonly discoveries: number;
  /** Of the discoveries, captions that the truth knows as never seen; null where it is not known. */
  readonly falseDiscoveries: number | null;
  /** Their share with Clopper and Pearson's 95% interval; null without discoveries, or truth. */
  readonly falseShare: { readonly share: number; readonly low: number; readonly high: number } | null;
  /** Findings that have a p-value, and those of them that are discoveries. */
  readonly findings: number;
  readonly findingsDiscovered: number;
  /** The findings with the smallest p-values, 20 at most. */
  readonly top: readonly SureFinding[];
  /** By p-value: the first 100, then fewer and fewer, and every finding among the first 2,000. */
  readonly ranked: readonly RankedCaption[];
}

const mostTop = 20;

/** Null where the run asked for no significance, or has not come so far. */
export function significanceFigures(
  data: Pick<ReportData, 'run' | 'nulls' | 'significance' | 'truth'>,
  captions: readonly Caption[],
): SignificanceFigures | null {
  const [first] = data.significance;
  if (first === undefined) return null;
  const { rate, dependence } = settingsOf(data.run.config['significance']);
  const nulls = data.nulls.filter(({ score }) => score !== null).length;
  const kinds = [...groupBy(data.significance, ({ kind }) => kind)].map(([kind, rows]) => ({
    kind,
    nulls: rows[0]!.nulls,
    tested: rows.filter(({ p_value }) => p_value !== null).length,
    discoveries: rows.filter(({ discovery }) => discovery === true).length,
  }));
  const most = Math.max(...kinds.map((kind) => kind.nulls));
  const tested = captions.flatMap((caption) =>
    caption.significance === undefined ? [] : [{ caption, ...caption.significance }],
  );
  // Equal p-values in the order of the scores, then of the candidates.
  const scoreOf = ({ caption }: (typeof tested)[number]) => caption.scores.get(first.attack) ?? -Infinity;
  const ordered = [...tested].sort((a, b) => a.p - b.p || scoreOf(b) - scoreOf(a) || 0);
  const discovered = ordered.filter(({ discovery }) => discovery);
  const wrong = data.truth.length === 0 ? null : discovered.filter((one) => one.caption.neverSeen).length;
  const findings = ordered.filter(({ caption }) => isFound(caption));
  return {
    attack: first.attack,
    rate,
    dependence,
    nulls,
    nullsFailed: data.nulls.length - nulls,
    kinds,
    tested: tested.length,
    untested: data.significance.length - tested.length,
    smallestP: smallestPValue(most),
    fewest: fewestDiscoveries(most, tested.length, rate, { dependence }),
    discoveries: discovered.length,
    falseDiscoveries: wrong,
    falseShare:
      wrong === null || discovered.length === 0
        ? null
        : { share: wrong / discovered.length, ...clopperPearsonInterval(wrong, discovered.length) },
    findings: findings.length,
    findingsDiscovered: findings.filter(({ discovery }) => discovery).length,
    top: findings.slice(0, mostTop).map(({ caption, p, q, discovery }) => ({
      key: caption.key,
      caption: caption.caption,
      verdict: findingOf(caption)!,
      score: caption.scores.get(first.attack)!,
      p,
      q,
      discovery,
    })),
    ranked: ordered
      .map(({ caption, p, q }, i): RankedCaption => ({ rank: i + 1, p, q, kind: kindOf(caption) }))
      .filter(({ rank, kind }) => isDrawn(rank, ordered.length) || (kind === 'found' && rank <= 2000)),
  };
}

/** The first 100 ranks, then 60 to each power of ten, and the last. */
function isDrawn(rank: number, last: number): boolean {
  if (rank <= 100 || rank === last) return true;
  const step = (at: number) => Math.floor(60 * Math.log10(at));
  return step(rank) !== step(rank - 1);
}

function kindOf(caption: Caption): RankedKind {
  if (isFound(caption)) return 'found';
  return caption.neverSeen ? 'neverSeen' : 'others';
}

function settingsOf(value: unknown): {
  readonly rate: number;
  readonly dependence: 'positive' | 'any';
} {
  const { rate, dependence } = (value ?? {}) as { readonly rate?: unknown; readonly dependence?: unknown };
  return {
    rate: typeof rate === 'number' ? rate : 0.05,
    dependence: dependence === 'any' ? 'any' : 'positive',
  };
}
