import { type Mask, type Picture, resize } from '../../images/index.ts';
import { floatTensor } from '../../math/index.ts';
import { openProduct } from '../product.ts';
import type { CopyCollection } from './collection.ts';
import type { TemplateFamily } from './families.ts';
import type { FindOptions } from './find.ts';
import { type WorkingPicture, workingSide } from './working.ts';

/**
 * A picture repeats a template where its distance to it, outside the region that varies, is at most this share of
 * that to the pictures which come nearest without belonging to the family: α of Carlini 2023, §5.2.
 */
export const templateShare = 0.5;
/** Pictures outside the family that the distance is held against: the nearest of all. */
const others = 8;
/** A picture whose distance to a template is larger (RMS, values in [0, 1]) does not repeat it: no need to look around. */
const farAway = 0.2;
/** A training picture that is so near to a family's seed under its mask belongs to it, whether its patches were found or not. */
const sameTemplate = 0.04;
const values = workingSide * workingSide * 3;
const picturesPerBlock = 1024;

/** How near a picture comes to a family's template. */
export interface TemplateMatch {
  /** The family's place in the list. */
  readonly family: number;
  /** RMS where the variants agree, values in [0, 1], at the working size. */
  readonly distance: number;
  /** Mean of the same to the nearest pictures that do not belong to the family. */
  readonly around: number;
  /** `distance` over `around`. */
  readonly ratio: number;
}

/** The mask of a family at the working size: 1 where most of a pixel is the template's. */
export function workingMask({ mask }: { readonly mask: Mask }): Uint8Array {
  const { width, height, data } = mask;
  const grey: Picture = { width, height, data: new Uint8Array(width * height * 3) };
  data.forEach((set, pixel) => {
    grey.data[pixel * 3] = 255 * set;
  });
  const small = resize(grey, workingSide, workingSide, 'box');
  return Uint8Array.from({ length: workingSide ** 2 }, (_, i) => (small.data[3 * i]! >= 128 ? 1 : 0));
}

/**
 * For every query the template that it comes nearest to, against what else comes near it there: held-out pictures and
 * all training pictures that are not of the family. A blurred or plain query is near to many, and repeats none of them.
 *
 * @returns one per query; null where no template is near, or nothing else is there to hold it against
 */
export async function matchTemplates(
  queries: readonly WorkingPicture[],
  families: readonly TemplateFamily[],
  collection: CopyCollection,
  heldOut: readonly WorkingPicture[],
  options: FindOptions & {
    /** Queries that are held-out pictures themselves, by position there: not held against themselves. */
    readonly heldOutPositions?: readonly number[];
  } = {},
): Promise<(TemplateMatch | null)[]> {
  const masks = families.map(workingMask);
  const seeds = await Promise.all(families.map(({ seed }) => collection.working(seed)));
  const pairs = queries.flatMap((query, q) =>
    families.flatMap((_, family) => {
      const seed = seeds[family];
      if (seed === undefined) return [];
      const distance = maskedRms(query, seed, masks[family]!);
      return distance > farAway ? [] : [{ query: q, family, distance, nearest: new NearestList(others) }];
    }),
  );
  const matches: (TemplateMatch | null)[] = queries.map(() => null);
  if (pairs.length === 0) return matches;
  const members = families.map(({ members }) => new Set(members));
  const compare = await openMasked({ queries, masks, seeds, pairs }, options);
  try {
    for (let from = 0; from < heldOut.length; from += picturesPerBlock)
      await compare(
        heldOut.slice(from, from + picturesPerBlock),
        (pair, at) => options.heldOutPositions?.[pair.query] === from + at,
      );
    for (let from = 0; from < collection.size; from += picturesPerBlock) {
      options.signal?.throwIfAborted();
      const block: WorkingPicture[] = [];
      const positions: number[] = [];
      for (let index = from; index < Math.min(collection.size, from + picturesPerBlock); index++) {
        const picture = await collection.working(index);
        if (picture === undefined) continue;
        block.push(picture);
        positions.push(index);
      }
      await compare(
        block,
        ({ family }, at, toSeed) => toSeed <= sameTemplate || members[family]!.has(positions[at]!),
      );
      options.onProgress?.(Math.min(1, (from + picturesPerBlock) / collection.size));
    }
  } finally {
    await compare.close();
  }
  for (const { query, family, distance, nearest } of pairs) {
    const around = nearest.mean();
    const ratio = distance / around;
    const before = matches[query];
    // Not a number, where there is nothing around or all of it repeats the template: then nothing can be said.
    if (ratio < (before?.ratio ?? Number.POSITIVE_INFINITY))
      matches[query] = { family, distance, around, ratio };
  }
  return matches;
}

interface Pair {
  readonly query: number;
  readonly family: number;
  readonly distance: number;
  readonly nearest: NearestList;
}

/** The smallest distances seen. */
class NearestList {
  readonly #squares: number[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  add(square: number): void {
    const list = this.#squares;
    if (list.length === this.#size && square >= list.at(-1)!) return;
    let at = list.length === this.#size ? this.#size - 1 : list.length;
    for (; at > 0 && list[at - 1]! > square; at--) list[at] = list[at - 1]!;
    list[at] = square;
  }

  /** Mean RMS; not a number before anything was seen. */
  mean(): number {
    const list = this.#squares;
    return list.reduce((sum, square) => sum + Math.sqrt(Math.max(0, square)), 0) / list.length;
  }
}

interface Around {
  readonly queries: readonly WorkingPicture[];
  readonly masks: readonly Uint8Array[];
  /** Of each family; undefined when it cannot be read, and then no pair is of it. */
  readonly seeds: readonly (WorkingPicture | undefined)[];
  readonly pairs: readonly Pair[];
}

/**
 * Compares all pairs with blocks of pictures under their family's mask: Σ m (x − t)² = Σ m x² − 2 Σ (m x) t + Σ m t²,
 * as two matrix products.
 */
async function openMasked({ queries, masks, seeds, pairs }: Around, options: FindOptions) {
  const session = {
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.signal !== undefined && { signal: options.signal }),
  };
  // The seeds come after the pairs: their distances say which pictures belong to the family.
  const masked = [
    ...pairs.map(({ query, family }) => ({ picture: queries[query], family })),
    ...seeds.map((picture, family) => ({ picture, family })),
  ];
  const rows = new Float32Array(masked.length * values);
  const norms = masked.map(({ picture, family }, row) => {
    let norm = 0;
    const mask = masks[family]!;
    for (let i = 0; picture !== undefined && i < values; i++) {
      if (mask[Math.floor(i / 3)] === 0) continue;
      const value = picture.data[i]! - 0.5;
      rows[row * values + i] = value;
      norm += value * value;
    }
    return norm;
  });
  const maskRows = new Float32Array(masks.length * values);
  const counts = masks.map((mask, family) => {
    let count = 0;
    for (let i = 0; i < values; i++) {
      const set = mask[Math.floor(i / 3)]!;
      maskRows[family * values + i] = set;
      count += set;
    }
    return count;
  });
  const dots = await openProduct(values, session);
  const squares = await openProduct(values, session);
  await dots.setQueries(floatTensor([masked.length, values], rows));
  await squares.setQueries(floatTensor([masks.length, values], maskRows));
  const compare = async (
    block: readonly WorkingPicture[],
    leftOut: (pair: Pair, at: number, rmsToSeed: number) => boolean,
  ) => {
    if (block.length === 0) return;
    const centred = new Float32Array(block.length * values);
    const squared = new Float32Array(block.length * values);
    block.forEach(({ data }, b) => {
      for (let i = 0; i < values; i++) {
        const value = data[i]! - 0.5;
        centred[b * values + i] = value;
        squared[b * values + i] = value * value;
      }
    });
    const products = await dots.multiply(floatTensor([block.length, values], centred));
    const underMask = await squares.multiply(floatTensor([block.length, values], squared));
    const meanSquare = (row: number, family: number, at: number) =>
      (norms[row]! - 2 * products[row * block.length + at]! + underMask[family * block.length + at]!) /
      counts[family]!;
    pairs.forEach((pair, row) => {
      const { family } = pair;
      for (let at = 0; at < block.length; at++) {
        const toSeed = Math.sqrt(Math.max(0, meanSquare(pairs.length + family, family, at)));
        if (!leftOut(pair, at, toSeed)) pair.nearest.add(meanSquare(row, family, at));
      }
    });
  };
  return Object.assign(compare, { close: () => Promise.all([dots.close(), squares.close()]) });
}

/** RMS of two pictures over the pixels of a working mask; NaN for an empty one. */
export function maskedRms(a: WorkingPicture, b: WorkingPicture, mask: Uint8Array): number {
  let sum = 0;
  let count = 0;
  for (let pixel = 0; pixel < mask.length; pixel++) {
    if (mask[pixel] === 0) continue;
    for (let i = pixel * 3; i < pixel * 3 + 3; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
    count += 3;
  }
  return Math.sqrt(sum / count);
}
