import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng, type Mask, type Picture, pictureMask } from '../images/index.ts';
import { identityTransform, pictureView, type Rule, transformPicture } from '../labels/index.ts';
import type { GenerationRow, RunFolder } from '../stages/index.ts';
import { writeFileAtomic, writeJsonAtomic } from '../tables/index.ts';
import { type Caption, rules, type Shown } from './captions.ts';
import {
  boxMask,
  checkerboard,
  differenceMap,
  differenceOf,
  fullDifference,
  outlined,
} from './evidence-pictures.ts';
import type { Gallery } from './gallery.ts';
import { type CopiedImage, readStored, resizedMask } from './images.ts';
import { isMoved, labelWords, parsed, regionOf, transformOf } from './words.ts';

/** What lies in the folder of one item; a picture that cannot be had is absent. */
export interface Evidence {
  /** Relative to the page, without a slash at its end. */
  readonly folder: string;
  readonly pictures: Readonly<Partial<Record<EvidencePicture, CopiedImage>>>;
  /** What each rule measured of the shown sample, in words. */
  readonly words: Readonly<Partial<Record<Rule, string>>>;
  /** The training picture was mirrored, scaled or moved. */
  readonly moved: boolean;
  /** The difference map shows the edge of a mask or a region. */
  readonly outlined: boolean;
}

type EvidencePicture = 'sample' | 'training' | 'aligned' | 'overlay' | 'difference' | 'mask';

/** By the caption's key. */
export type EvidenceByKey = ReadonlyMap<string, Evidence>;

/** What these folders are called: number, verdict, the sample's digest. Nothing of a caption or a key. */
const folderPattern = /^\d{3,}-(TV|MV|RV|none)-[0-9a-f]{12}$/;

const readme = `Each folder holds what the report shows of one caption: number, verdict, first digits of the sample's SHA-256.

sample.png      the generated picture
training.png    the training picture that it was compared with, as it is stored
aligned.png     that picture as it lies over the sample: mirrored, scaled, moved
overlay.png     a checkerboard of both, the sample's tile upper left: edges that run on across the tiles lie in the same place
difference.png  their difference: black is none, pale yellow is ${fullDifference} of the range of values or more;
                grey where the training picture does not reach; a cyan line around what was compared, or agrees
mask.png        white where the two were compared (TV) or agree
finding.json    caption, key, seeds, and the rows of every rule
`;

/**
 * Writes report/evidence: a folder for each judged caption that the galleries show, in their order, then for the other
 * findings. Folders of an older report that are not written again are removed.
 *
 * @param limit at most so many folders
 */
export async function writeEvidence(
  folder: RunFolder,
  galleries: readonly Gallery[],
  limit = 300,
): Promise<EvidenceByKey> {
  const root = join(folder.report, 'evidence');
  const written = new Map<string, Evidence>();
  const names = new Set<string>();
  const shownFirst = galleries.flatMap(({ section, captions }) => (section === 'high-score' ? [] : captions));
  for (const caption of [...shownFirst, ...galleries.flatMap(({ rest }) => rest)]) {
    if (written.size >= limit) break;
    const { shown } = caption;
    if (shown === undefined || written.has(caption.key)) continue;
    const sample = await readStored(folder, shown.sample.image);
    if (sample === undefined) continue;
    const number = String(written.size + 1).padStart(3, '0');
    const name = `${number}-${shown.verdict}-${shown.sample.image!.slice(0, 12)}`;
    names.add(name);
    written.set(caption.key, await writeOne(folder, name, caption, shown, sample));
  }
  const before = await readdir(root).catch(() => []);
  for (const name of before)
    if (folderPattern.test(name) && !names.has(name))
      await rm(join(root, name), { recursive: true, force: true });
  if (written.size > 0) await writeFileAtomic(join(root, 'README.txt'), readme);
  return written;
}

type Stored = NonNullable<Awaited<ReturnType<typeof readStored>>>;

async function writeOne(
  run: RunFolder,
  name: string,
  caption: Caption,
  shown: Shown,
  sample: Stored,
): Promise<Evidence> {
  const folder = `evidence/${name}`;
  const path = join(run.report, 'evidence', name);
  const { width, height } = sample.picture;
  const training = await readStored(run, shown.picture?.image ?? null);
  const masks = await masksOf(run, shown);
  const mask = masks.get(caption.rule);
  const transform = transformOf(shown.label);
  const pictures: Partial<Record<EvidencePicture, CopiedImage>> = {};
  const put = async (kind: EvidencePicture, bytes: Uint8Array, picture: Picture | Mask) => {
    await writeFileAtomic(join(path, `${kind}.png`), bytes);
    pictures[kind] = { path: `${folder}/${kind}.png`, width: picture.width, height: picture.height };
  };
  await put('sample', sample.bytes, sample.picture);
  let rms: number | null = null;
  const region = regionOf(shown.label);
  // A box around everything says nothing.
  const part = region?.box[2] === 1 && region.box[3] === 1 ? undefined : region;
  const edge = mask?.mask ?? (part && boxMask(part, width, height));
  if (training !== undefined) {
    await put('training', training.bytes, training.picture);
    // As the rules do: first cut to the shape that the model was taught, then laid over the sample.
    const view = pictureView(training.picture, { width, height });
    const { picture, inside } = transformPicture(view, transform ?? identityTransform, width, height);
    const differences = differenceOf(sample.picture, picture);
    rms = meanOf(differences, inside, mask?.mask);
    const map = differenceMap(differences, inside);
    const made = {
      aligned: picture,
      overlay: checkerboard(sample.picture, picture),
      difference: edge === undefined ? map : outlined(map, edge, mask === undefined),
    };
    for (const [kind, one] of Object.entries(made) as [EvidencePicture, Picture][])
      await put(kind, await encodePng(one), one);
  }
  if (mask !== undefined) await put('mask', mask.bytes, mask.mask);
  const words: Partial<Record<Rule, string>> = {};
  for (const rule of rules) {
    const label = shown.sample.labels[rule];
    if (label !== undefined) words[rule] = labelWords(label);
  }
  await writeJsonAtomic(
    join(path, 'finding.json'),
    findingJson(caption, shown, words, rms, Object.keys(pictures)),
  );
  await removeOthers(path, pictures);
  return { folder, pictures, words, moved: isMoved(transform), outlined: edge !== undefined };
}

/** An older report may have had a picture here that this one has not. */
async function removeOthers(path: string, pictures: Evidence['pictures']): Promise<void> {
  for (const name of ['training', 'aligned', 'overlay', 'difference', 'mask'] as const)
    if (pictures[name] === undefined) await rm(join(path, `${name}.png`), { force: true });
}

async function masksOf(
  run: RunFolder,
  { sample }: Shown,
): Promise<Map<Rule, { readonly bytes: Uint8Array; readonly mask: Mask }>> {
  const masks = new Map<Rule, { bytes: Uint8Array; mask: Mask }>();
  for (const rule of rules) {
    const stored = await readStored(run, sample.labels[rule]?.mask ?? null);
    if (stored !== undefined) masks.set(rule, { bytes: stored.bytes, mask: pictureMask(stored.picture) });
  }
  return masks;
}

/** Root mean square of what is covered, and inside of the mask where there is one. */
function meanOf(differences: Float64Array, covered: Mask, mask: Mask | undefined): number | null {
  const { width, height } = covered;
  const compared = mask && resizedMask(mask, width, height);
  let sum = 0;
  let pixels = 0;
  differences.forEach((difference, pixel) => {
    if (covered.data[pixel] !== 1 || compared?.data[pixel] === 0) return;
    sum += difference * difference;
    pixels++;
  });
  return pixels === 0 ? null : Math.sqrt(sum / pixels);
}

/** All numbers of an item, for a reader with a program. */
function findingJson(
  caption: Caption,
  shown: Shown,
  words: Evidence['words'],
  rms: number | null,
  pictures: readonly string[],
): unknown {
  const { generation, review } = shown.sample;
  return {
    key: caption.key,
    caption: caption.caption,
    copies: caption.copies,
    kind: caption.role,
    neverSeen: caption.truth === undefined ? null : caption.neverSeen,
    rule: caption.rule,
    verdict: shown.verdict,
    words: words[caption.rule] ?? '',
    sample: shown.sample.sample,
    image: shown.sample.image,
    ...(generation !== undefined && drawnBy(generation)),
    training: shown.picture ?? null,
    difference: rms === null ? null : { rms, brightestFrom: fullDifference },
    review: review ?? null,
    files: pictures.map((name) => `${name}.png`),
    scores: Object.fromEntries(caption.scores),
    labels: caption.samples.flatMap(({ labels }) =>
      rules.flatMap((rule) => {
        const label = labels[rule];
        if (label === undefined) return [];
        const { transform, region, evidence, key: _, ...numbers } = label;
        const objects = { transform, region, evidence };
        return {
          ...numbers,
          ...Object.fromEntries(
            Object.entries(objects).map(([name, text]) => [name, text === null ? null : parsed(text)]),
          ),
        };
      }),
    ),
  };
}

/** What the picture can be made with again. A seed beyond 2^53 would lose digits as a number of JSON. */
function drawnBy({ seed, steps, sampler, guidance, noise }: GenerationRow) {
  const exact = Number.isSafeInteger(Number(seed)) ? Number(seed) : String(seed);
  return { seed: exact, steps, sampler, guidance, noise };
}
