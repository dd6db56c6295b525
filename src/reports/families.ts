import type { Mask } from '../images/index.ts';
import type { Rule } from '../labels/index.ts';
import type { LabelRow, TruthTableRow } from '../stages/index.ts';
import { type Caption, decidingRule, hasVerdict } from './captions.ts';
import { groupBy } from './group.ts';

/** A planted template family of the audited model, and what became of it. */
export interface FamilyRecall {
  readonly family: string;
  readonly scene: string;
  /** Planted variants, and those of them whose caption is among the candidates. */
  readonly variants: number;
  readonly audited: number;
  /** Captions of the family with a sample that is TV by the deciding rule. */
  readonly found: number;
  /**
   * Intersection over union of the region that varies, as planted and as the mask of the nearest such label leaves
   * it open; null where nothing was found, or the label has no mask.
   */
  readonly overlap: number | null;
}

/** The planted families that the model was trained on, in the order of their names. */
export function recallByFamily(
  truth: readonly TruthTableRow[],
  captions: readonly Caption[],
  labels: readonly LabelRow[],
  /** By digest, at the size of the generated pictures: the planted regions are in their pixels. */
  masks: ReadonlyMap<string, Mask>,
): FamilyRecall[] {
  const known = new Map(captions.map((caption) => [caption.key, caption]));
  const nearest = nearestTemplates(truth, labels);
  return [...plantedFamilies(truth)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([family, rows]) => {
      const audited = rows.flatMap(({ key }) => known.get(key) ?? []);
      const label = nearest.get(family);
      const mask = label?.mask == null ? undefined : masks.get(label.mask);
      const planted = rectangleOf(rows.find(({ key }) => key === label?.key)?.region ?? null);
      return {
        family,
        scene: rows[0]!.scene,
        variants: rows.length,
        audited: audited.length,
        found: audited.filter((caption) => hasVerdict(caption, 'TV')).length,
        overlap: mask === undefined || planted === undefined ? null : overlapOf(mask, planted),
      };
    });
}

/** The labels of which `recallByFamily` needs the masks: one for each family that was found. */
export function familyLabels(truth: readonly TruthTableRow[], labels: readonly LabelRow[]): LabelRow[] {
  return [...nearestTemplates(truth, labels).values()];
}

function plantedFamilies(truth: readonly TruthTableRow[]): Map<string, TruthTableRow[]> {
  return groupBy(
    truth.filter((row) => row.kind === 'template' && row.member),
    (row) => row.group,
  );
}

/** Of each family the label that is TV by the deciding rule with the smallest distance; with a mask before without. */
function nearestTemplates(
  truth: readonly TruthTableRow[],
  labels: readonly LabelRow[],
): Map<string, LabelRow> {
  const rule: Rule | undefined = decidingRule(labels);
  const families = new Map(
    [...plantedFamilies(truth)].flatMap(([name, rows]) => rows.map((row) => [row.key, name])),
  );
  const best = new Map<string, LabelRow>();
  for (const label of labels) {
    const family = families.get(label.key);
    if (family === undefined || label.rule !== rule || label.verdict !== 'TV') continue;
    const before = best.get(family);
    if (before === undefined || isNearer(label, before)) best.set(family, label);
  }
  return best;
}

function isNearer(a: LabelRow, b: LabelRow): boolean {
  if ((a.mask === null) !== (b.mask === null)) return a.mask !== null;
  return (a.distance ?? Number.MAX_VALUE) < (b.distance ?? Number.MAX_VALUE);
}

type Rectangle = readonly [x: number, y: number, width: number, height: number];

function rectangleOf(region: string | null): Rectangle | undefined {
  if (region === null) return undefined;
  try {
    const value = JSON.parse(region) as unknown;
    if (Array.isArray(value) && value.length === 4 && value.every((side) => typeof side === 'number'))
      return value as unknown as Rectangle;
  } catch {
    // Not JSON: a family without a rectangle.
  }
  return undefined;
}

/** Intersection over union of what a mask leaves open and a rectangle in its pixels; 0 where both are empty. */
export function overlapOf(mask: Mask, [x, y, width, height]: Rectangle): number {
  let both = 0;
  let either = 0;
  mask.data.forEach((set, pixel) => {
    const column = pixel % mask.width;
    const row = (pixel - column) / mask.width;
    const planted = column >= x && column < x + width && row >= y && row < y + height;
    const open = set === 0;
    if (planted && open) both++;
    if (planted || open) either++;
  });
  return either === 0 ? 0 : both / either;
}
