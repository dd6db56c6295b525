import { createHash } from 'node:crypto';
import { dilate, type Mask, type Picture } from '../../images/index.ts';
import { identityTransform } from '../transform.ts';
import { agreementOf } from './agreement.ts';
import { localVariance } from './background.ts';
import type { CopyCollection } from './collection.ts';
import { matchCollection } from './field.ts';
import type { FindOptions } from './find.ts';
import { patchesOf } from './patches.ts';

/**
 * A template family: training pictures that agree with each other outside a region, like one product photographed in
 * many colours (Webster 2023, §4).
 */
export interface TemplateFamily {
  /** The training picture that the others were compared with. */
  readonly seed: number;
  /** Positions of all pictures of the family, the seed among them, ascending. */
  readonly members: readonly number[];
  /** Where the variants agree, at the size of the training pictures. */
  readonly mask: Mask;
  /** Share of the picture that varies. */
  readonly varying: number;
}

/** Nearest patches that are looked at for each of a seed's: a family has as many variants as its patches are alike. */
const neighbours = 256;
/** Pictures that are compared with a seed, those with most patches in common. */
const mostCompared = 128;
/** Of a seed's structure a variant shares at least so much, in place: a region full of pattern holds most of it. */
const sharedStructure = 0.12;
/** And of its pixels. */
const sharedPixels = 0.4;
/** A family has so many variants beside its seed. */
const fewestVariants = 3;
/** Largest difference of the mean over 3 × 3 pixels, any channel, 8 bits, that compression alone may make. */
const sameLevels = 14;
/** Where this share of the variants agrees with the seed, the template does not vary. */
const agreeing = 0.85;
/** Less than this share of the picture is no varying region: the pictures are duplicates. */
const leastVarying = 0.01;
/** What is left of a template that varies more than this is no picture. */
const mostVarying = 0.8;

/**
 * The template families that some training pictures belong to. Each is compared, where it lies, with the pictures of
 * the training set that have most patches in common with it; the mask is where nearly all of those that share its
 * structure agree with it. The reference code takes the first neighbour by file name whose sum of squares lies between
 * 1e2 and 1e3 at 256×256 instead, which misses whatever recolours a large region strongly.
 *
 * Plain templates are left out: what agrees must hold a part of the picture's structure.
 *
 * @param seeds positions; a family that several belong to is named by the lowest
 */
export async function findFamilies(
  seeds: readonly number[],
  collection: CopyCollection,
  options: FindOptions = {},
): Promise<TemplateFamily[]> {
  const ordered = [...new Set(seeds)].sort((a, b) => a - b);
  const readable: number[] = [];
  const patches = [];
  for (const seed of ordered) {
    const picture = await collection.working(seed);
    if (picture === undefined) continue;
    readable.push(seed);
    patches.push(patchesOf(picture));
  }
  const fields = await matchCollection(patches, collection, {
    ...options,
    inPlace: true,
    nearest: neighbours,
  });
  const candidates = new Map(readable.map((seed, i) => [seed, rankedPictures(fields[i]!, seed)]));
  return assembleFamilies(readable, (seed) => candidates.get(seed)!, collection, options.signal);
}

/**
 * The families of seeds whose likely variants are known. A seed that is found to belong to an earlier one's family is not
 * looked at again.
 *
 * @param candidatesOf positions of the pictures to compare with a seed, the likeliest first; at most 128 are
 */
export async function assembleFamilies(
  seeds: Iterable<number>,
  candidatesOf: (seed: number) => readonly number[],
  collection: Pick<CopyCollection, 'working' | 'picture'>,
  signal?: AbortSignal,
): Promise<TemplateFamily[]> {
  const families: TemplateFamily[] = [];
  const known = new Set<number>();
  for (const seed of seeds) {
    signal?.throwIfAborted();
    if (known.has(seed)) continue;
    const family = await familyOf(seed, candidatesOf(seed).slice(0, mostCompared), collection);
    if (family === undefined) continue;
    for (const member of family.members) known.add(member);
    const older = await sameFamily(families, family, collection);
    if (older === undefined) families.push(family);
    else
      families[older] = {
        ...families[older]!,
        members: [...new Set([...families[older]!.members, ...family.members])].sort((a, b) => a - b),
      };
  }
  return families;
}

/** Masks that overlap so much may belong to one template. */
const sameMask = 0.7;

/**
 * The place of a family with the same template: pictures that have many variants are found from several seeds, each with
 * some of the variants.
 */
async function sameFamily(
  families: readonly TemplateFamily[],
  family: TemplateFamily,
  collection: Pick<CopyCollection, 'picture'>,
): Promise<number | undefined> {
  const seed = await collection.picture(family.seed);
  for (const [at, older] of families.entries()) {
    if (older.mask.width !== family.mask.width || older.mask.height !== family.mask.height) continue;
    let both = 0;
    let either = 0;
    const common = family.mask.data.map((set, pixel) => {
      const varies = 1 - set;
      const variesThere = 1 - older.mask.data[pixel]!;
      both += varies & variesThere;
      either += varies | variesThere;
      return set & older.mask.data[pixel]!;
    });
    if (both < sameMask * either) continue;
    const same = samePixels(seed, await collection.picture(older.seed));
    const compared = common.reduce((sum, set) => sum + set, 0);
    const agree = common.reduce((sum, set, pixel) => sum + (set & same[pixel]!), 0);
    if (agree >= agreeing * compared) return at;
  }
  return undefined;
}

/** The pictures that have most patches in common with the seed, in place. */
function rankedPictures(
  matches: readonly {
    readonly index: number;
    readonly query: readonly number[];
    readonly training: readonly number[];
  }[],
  seed: number,
): number[] {
  const votes = new Map<number, number>();
  for (const { index, query, training } of matches) {
    const apart = Math.max(Math.abs(query[0]! - training[0]!), Math.abs(query[1]! - training[1]!));
    if (index !== seed && apart <= 1) votes.set(index, (votes.get(index) ?? 0) + 1);
  }
  return [...votes].sort(([a, first], [b, second]) => second - first || a - b).map(([index]) => index);
}

async function familyOf(
  seed: number,
  candidates: readonly number[],
  collection: Pick<CopyCollection, 'working' | 'picture'>,
): Promise<TemplateFamily | undefined> {
  if (candidates.length < fewestVariants) return undefined;
  const working = await collection.working(seed);
  if (working === undefined) return undefined;
  const bound = localVariance(working.data);
  const picture = await collection.picture(seed);
  const members = [seed];
  const counted = new Set<string>();
  const pixels = picture.width * picture.height;
  const agree = new Uint16Array(pixels);
  for (const index of candidates) {
    const other = await collection.working(index);
    if (other === undefined) continue;
    if (agreementOf(working, bound, other, identityTransform).explained < sharedStructure) continue;
    const variant = await collection.picture(index);
    if (variant.width !== picture.width || variant.height !== picture.height) continue;
    const same = samePixels(picture, variant);
    const differing = same.reduce((sum, value) => sum + (1 - value), 0) / pixels;
    if (1 - differing < sharedPixels) continue;
    members.push(index);
    // What agrees everywhere is a duplicate, and a variant that is there twice has been counted: neither says where the
    // template varies.
    const digest = contentDigest(variant);
    if (differing < leastVarying || counted.has(digest)) continue;
    counted.add(digest);
    for (let pixel = 0; pixel < pixels; pixel++) agree[pixel]! += same[pixel]!;
  }
  const variants = counted.size;
  if (variants < fewestVariants) return undefined;
  const { width, height } = picture;
  const varies = Uint8Array.from(agree, (count) => (count < agreeing * variants ? 1 : 0));
  // Gaps close, specks go.
  const region = dilate(shrink(shrink(dilate({ width, height, data: varies }, 3))), 3);
  const varying = region.data.reduce((sum, value) => sum + value, 0) / pixels;
  if (varying < leastVarying || varying > mostVarying) return undefined;
  return {
    seed,
    members: members.sort((a, b) => a - b),
    mask: inverse(region),
    varying,
  };
}

/** Erodes by a pixel, but not from the picture's border: a region that reaches it goes on beyond. */
function shrink(mask: Mask): Mask {
  return inverse(dilate(inverse(mask), 3));
}

function inverse({ width, height, data }: Mask): Mask {
  return { width, height, data: data.map((set) => 1 - set) };
}

/** 1 where the means over 3 × 3 pixels differ by no more than compression makes them. */
function samePixels(a: Picture, b: Picture): Uint8Array {
  const { width, height } = a;
  const same = new Uint8Array(width * height).fill(1);
  for (let channel = 0; channel < 3; channel++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let sum = 0;
        let count = 0;
        for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
          for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
            const at = (v * width + u) * 3 + channel;
            sum += a.data[at]! - b.data[at]!;
            count++;
          }
        if (Math.abs(sum) > sameLevels * count) same[y * width + x] = 0;
      }
  return same;
}

function contentDigest({ data }: Picture): string {
  return createHash('sha256').update(data).digest('hex');
}
