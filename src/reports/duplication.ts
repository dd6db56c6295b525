import { join } from 'node:path';
import { mean } from '../math/index.ts';
import type { RunDescription } from '../stages/index.ts';
import { fromParquet, isFile, sql } from '../tables/index.ts';
import type { Caption } from './captions.ts';
import type { ReportData } from './data.ts';
import { rateBins } from './dedup/rates.ts';
import { findingOf } from './findings.ts';

/** What became of an audited caption, for Webster's figure 4. */
export type DuplicationKind = 'exact' | 'retrieved' | 'template' | 'others';
export const duplicationKinds: readonly DuplicationKind[] = ['exact', 'retrieved', 'template', 'others'];

/** Captions whose pictures stand `low` to `high` times in the training set. */
export type DuplicationBin = { readonly low: number; readonly high: number } & Readonly<
  Record<DuplicationKind, number>
>;

/** Captions in tenths of the share of their duplicate group that has the same prompt. */
export type SamePromptBin = DuplicationBin;

/** Webster 2023, figure 4: how often what is repeated stands in the training set. */
export interface Duplication {
  /** (b) By copies of the caption's picture; without empty bins. Empty where copies are not known, or nothing was judged. */
  readonly rates: readonly DuplicationBin[];
  /** (a) By the share of the duplicate group with the same prompt, ten bins; null without a dedup folder. */
  readonly samePrompt: readonly SamePromptBin[] | null;
  /** Of each kind the mean of that share; null without a caption whose group is known. */
  readonly meanSamePrompt: Readonly<Record<DuplicationKind, number | null>> | null;
}

/**
 * Captions by how often their pictures stand in the training set, apart for found exact verbatims (MV), retrieved ones (RV),
 * template verbatims (TV) and all other audited captions, synthesized or not. What the model never saw has no copies and is
 * left out.
 */
export function duplicationFigures(
  { samePrompt }: Pick<ReportData, 'samePrompt'>,
  captions: readonly Caption[],
): Duplication {
  const judged = captions.some(({ shown }) => shown !== undefined);
  const trained = judged ? captions.filter(({ copies, neverSeen }) => !neverSeen && (copies ?? 0) > 0) : [];
  const copies = new Map<number, Record<DuplicationKind, number>>();
  for (const caption of trained) {
    const counts = copies.get(caption.copies!) ?? nothing();
    copies.set(caption.copies!, counts);
    counts[kindOf(caption)]++;
  }
  const rates = rateBins([...copies.keys()].map((rate) => [rate, 1, 1])).map(({ low, high }) => {
    const counts = nothing();
    for (const [rate, some] of copies)
      if (rate >= low && rate <= high) for (const kind of duplicationKinds) counts[kind] += some[kind];
    return { low, high, ...counts };
  });
  if (samePrompt === null || !judged) return { rates, samePrompt: null, meanSamePrompt: null };
  const bins = Array.from({ length: 10 }, (_, i) => ({ low: i / 10, high: (i + 1) / 10, ...nothing() }));
  const shares: Record<DuplicationKind, number[]> = { exact: [], retrieved: [], template: [], others: [] };
  for (const caption of captions) {
    const share = samePrompt.get(caption.key);
    if (share === undefined || caption.neverSeen) continue;
    const kind = kindOf(caption);
    shares[kind].push(share);
    // (low, high]: a group of one prompt stands in the last bin.
    bins[Math.min(9, Math.max(0, Math.ceil(share * 10 - 1e-9) - 1))]![kind]++;
  }
  const means = Object.fromEntries(
    duplicationKinds.map((kind) => [kind, shares[kind].length === 0 ? null : mean(shares[kind])]),
  ) as Record<DuplicationKind, number | null>;
  return { rates, samePrompt: bins, meanSamePrompt: means };
}

const nothing = (): Record<DuplicationKind, number> => ({ exact: 0, retrieved: 0, template: 0, others: 0 });

function kindOf(caption: Caption): DuplicationKind {
  const kinds = { MV: 'exact', RV: 'retrieved', TV: 'template' } as const;
  const finding = findingOf(caption);
  return finding === null ? 'others' : kinds[finding];
}

/**
 * For each candidate that `verbatim dedup` chose, the share of its duplicate group that has the most frequent caption of the
 * group. Null where the run's candidates are of no dedup folder, or it is not where it was.
 */
export async function readSamePrompt({
  config,
}: Pick<RunDescription, 'config'>): Promise<Map<string, number> | null> {
  const { candidates } = config;
  const from =
    typeof candidates === 'object' && candidates !== null && !Array.isArray(candidates)
      ? (candidates as { readonly from?: unknown }).from
      : undefined;
  if (typeof from !== 'string') return null;
  const [chosen, groups] = ['candidates.parquet', 'groups.parquet'].map((name) => join(from, name));
  if (!(await isFile(chosen!)) || !(await isFile(groups!))) return null;
  const rows = await sql<{ key: string; share: number }>(
    `SELECT chosen.key AS key, any_value(groups.caption_share) AS share
     FROM ${fromParquet([chosen!])} AS chosen JOIN ${fromParquet([groups!])} AS groups USING ("group")
     WHERE groups.caption_share IS NOT NULL GROUP BY chosen.key`,
  );
  return new Map(rows.map(({ key, share }) => [key, share]));
}
