import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { sha256 } from '../tables/index.ts';
import { integer, type Random, randomFor } from './random.ts';
import type { PictureSource } from './source.ts';
import type { PlantedSet, TruthRow } from './types.ts';

const count = z.number().int().nonnegative();

const fields = {
  /** Pictures with one copy, in both twins' sets. */
  uniques: count.default(4000),
  /** Pictures and captions that neither twin sees. */
  heldOut: count.default(1200),
  /** Copy counts of the duplicate groups. */
  copyCounts: z.array(z.number().int().min(2)).default([5, 10, 20, 50, 100, 300]),
  /** Duplicate groups per copy count and twin. */
  groupsPerCopyCount: count.default(12),
  /** Share of the groups whose captions vary among the copies (3 to 6 captions). */
  variedCaptions: z
    .number()
    .min(0)
    .max(1)
    .default(1 / 3),
  /** Template families per twin. */
  familiesPerTwin: count.default(12),
  /** Variants of a family: uniform between these two, both included. */
  variantsMin: z.number().int().min(2).default(30),
  variantsMax: z.number().int().min(2).default(100),
};

const variantsInOrder = (config: { variantsMin: number; variantsMax: number }) =>
  config.variantsMin <= config.variantsMax;
const outOfOrder = { message: 'variantsMin must not exceed variantsMax', path: ['variantsMin'] };

/** What is planted, without the seed: a lab has one seed for everything. */
export const plantedItemsSchema = z.strictObject(fields).refine(variantsInOrder, outOfOrder);

/** What is planted. "Per twin" because each planted item belongs to exactly one of the twins A and B. */
export const plantedConfigSchema = z
  .strictObject({
    /** Everything random in the assignment follows from it (the pictures follow from the source's own seed). */
    seed: count.default(1),
    ...fields,
  })
  .refine(variantsInOrder, outOfOrder);

export type PlantedConfig = z.infer<typeof plantedConfigSchema>;

const padded = (value: number, digits: number) => String(value).padStart(digits, '0');

/** Spreads `copies` over `captions` at random, each at least once. */
function spread(random: Random, copies: number, captions: number): number[] {
  const repeats = new Array<number>(captions).fill(1);
  for (let copy = captions; copy < copies; copy++) repeats[random.integer(captions)]!++;
  return repeats;
}

/** Which of 2n items belong to A: exactly half, by a seeded shuffle. */
function halves(random: Random, perTwin: number): ('A' | 'B')[] {
  return random.shuffle([...new Array<'A'>(perTwin).fill('A'), ...new Array<'B'>(perTwin).fill('B')] as (
    | 'A'
    | 'B'
  )[]);
}

/**
 * The planted truth over a source: uniques (both twins), held-out items (neither), duplicate groups and template
 * families, of which each twin gets a disjoint half, balanced per copy count. All captions of the set are distinct.
 *
 * Distinct pictures are numbered: uniques, held-out items, duplicate groups, families' variants.
 * @throws VerbatimError when the source has too few pictures.
 */
export function plantedSet(source: PictureSource, config: PlantedConfig): PlantedSet {
  const { uniques, heldOut, copyCounts, groupsPerCopyCount, familiesPerTwin } = config;
  const groups = copyCounts.length * groupsPerCopyCount * 2;
  const needed = uniques + heldOut + groups + familiesPerTwin * 2;
  if (needed > source.count) {
    throw new VerbatimError(
      `${source.name}: the planted set needs ${needed} different pictures, there are ${source.count}; lower planted.uniques (${uniques}) or planted.heldOut (${heldOut}).`,
      { exitCode: 2 },
    );
  }
  const used = new Set<string>();
  /** The first caption not used yet: variant `first`, or one far behind. */
  const claim = (caption: (variant: number) => string, first: number, among: Set<string>): string => {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const candidate = caption(attempt === 0 ? first : 1000 + attempt);
      if (among.has(candidate)) continue;
      among.add(candidate);
      return candidate;
    }
    throw new VerbatimError(
      `${source.name}: no new caption could be made in 1000 attempts ("${caption(first)}").`,
    );
  };
  const captionOf = (index: number, variant = 0, among = used) =>
    claim((v) => (v === 0 ? source.describe(index).caption : source.recaption(index, v)), variant, among);

  const truth: TruthRow[] = [];
  const single = (
    index: number,
    key: string,
    kind: 'unique' | 'held-out',
    twin: 'both' | 'none',
    copies: number,
  ) => {
    const { scene } = source.describe(index);
    const caption = captionOf(index);
    truth.push({
      key,
      kind,
      twin,
      group: key,
      caption,
      scene,
      repeats: copies,
      copies,
      pictureIndex: index,
      region: undefined,
    });
  };
  for (let i = 0; i < uniques; i++) single(i, `unique-${padded(i, 6)}`, 'unique', 'both', 1);
  for (let i = 0; i < heldOut; i++) single(uniques + i, `held-out-${padded(i, 5)}`, 'held-out', 'none', 0);

  let next = uniques + heldOut;
  let groupNumber = 0;
  copyCounts.forEach((copies, position) => {
    const random = randomFor('planted duplicates', config.seed, position);
    const seen = { A: 0, B: 0 };
    for (const twin of halves(random, groupsPerCopyCount)) {
      const group = `duplicate-${padded(groupNumber++, 4)}`;
      const index = next++;
      // Spread evenly over the groups of a twin: one in three for a share of 1/3.
      const varied =
        Math.floor((seen[twin] + 1) * config.variedCaptions) > Math.floor(seen[twin] * config.variedCaptions);
      seen[twin]++;
      const captions = varied ? Math.min(copies, integer(random, 3, 6)) : 1;
      const { scene } = source.describe(index);
      spread(random, copies, captions).forEach((repeats, variant) => {
        const caption = captionOf(index, variant);
        truth.push({
          key: `${group}-c${variant}`,
          kind: 'duplicate',
          twin,
          group,
          caption,
          scene,
          repeats,
          copies,
          pictureIndex: index,
          region: undefined,
        });
      });
    }
  });

  const variants: { family: number; variant: number }[] = [];
  const firstVariant = next;
  const families = familiesPerTwin * 2;
  // Photographs of families are taken from the far end of a source: the two kinds go towards each other, half of what is left each.
  const left = Math.floor((source.count - firstVariant - families) / 2);
  const random = randomFor('planted templates', config.seed);
  halves(random, familiesPerTwin).forEach((twin, family) => {
    const group = `template-${padded(family, 3)}`;
    const copies = integer(random, config.variantsMin, config.variantsMax);
    for (let variant = 0; variant < copies; variant++) {
      const { scene, region } = source.describeVariant(family, variant);
      const caption = claim((v) => source.describeVariant(family, v).caption, variant, used);
      truth.push({
        key: `${group}-v${padded(variant, 3)}`,
        kind: 'template',
        twin,
        group,
        caption,
        scene,
        repeats: 1,
        copies,
        pictureIndex: firstVariant + variants.length,
        region,
      });
      variants.push({ family, variant });
    }
  });

  const pictureCount = firstVariant + variants.length;
  return {
    name: `planted-${source.name}`,
    digest: sha256(JSON.stringify(['planted-1', source.digest, config])),
    size: source.size,
    pictureCount,
    truth,
    beyond(count, kind) {
      const taken = new Set(used);
      const caption = (i: number) =>
        kind === 'single'
          ? captionOf(firstVariant + i, 0, taken)
          : claim((v) => source.describeVariant(families + i, v).caption, 0, taken);
      return Array.from({ length: Math.min(count, left) }, (_, i) => ({
        key: `beyond-${kind}-${padded(i, 6)}`,
        caption: caption(i),
      }));
    },
    picture: async (index): Promise<Picture> => {
      if (!Number.isInteger(index) || index < 0 || index >= pictureCount) {
        throw new VerbatimError(
          `planted-${source.name}: there is no picture ${index}; the set has ${pictureCount}.`,
        );
      }
      if (index < firstVariant) return source.picture(index);
      const { family, variant } = variants[index - firstVariant]!;
      return source.pictureVariant(family, variant);
    },
  };
}
