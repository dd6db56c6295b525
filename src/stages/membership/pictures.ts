import { createHash } from 'node:crypto';
import type { Pipeline } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { coverThumbnail, type Picture } from '../../images/index.ts';
import { createRandom } from '../../math/index.ts';
import { errorText, rethrowFatal, type StageProgress } from '../stage.ts';
import type { PictureRow } from './columns.ts';
import type { MembershipItem, MembershipSource } from './types.ts';

/**
 * At most `limit` members and as many non-members, drawn by `seed` and left in their order: the first ones of a pool may all be of
 * one kind.
 *
 * @param apart false: twice as many pictures whoever was trained on them, for several targets, which differ in that
 */
export function drawItems(
  items: readonly MembershipItem[],
  limit: number | undefined,
  seed: number,
  { apart = true }: { readonly apart?: boolean } = {},
): MembershipItem[] {
  if (limit === undefined) return [...items];
  const random = createRandom(seed);
  const drawn = (list: number[], most: number) => random.shuffle(list).slice(0, most);
  const side = (member: boolean) => items.flatMap((item, i) => (item.member === member ? [i] : []));
  const kept = new Set(
    apart
      ? [true, false].flatMap((member) => drawn(side(member), limit))
      : drawn([...items.keys()], 2 * limit),
  );
  return items.filter((_, i) => kept.has(i));
}

/** A picture at the model's size. @throws VerbatimError (exit code 2) for another size, unless `fit` */
export function fitted(
  picture: Picture,
  { name, pictureSize: [height, width] }: Pick<Pipeline, 'name' | 'pictureSize'>,
  fit: boolean,
  where: string,
): Picture {
  if (picture.width === width && picture.height === height) return picture;
  if (fit) return coverThumbnail(picture, width, height);
  throw new VerbatimError(
    `${where}: the picture has ${picture.width}×${picture.height} pixels, ${name} was trained on ${width}×${height}; resize the dataset, or give --fit to resize and crop each picture`,
    { exitCode: 2 },
  );
}

/** SHA-256 over size and pixels, hex: equal for equal pictures, whatever their files. */
export function pixelDigest({ width, height, data }: Picture): string {
  return createHash('sha256').update(`${width}x${height}\n`).update(data).digest('hex');
}

export interface DescribeOptions {
  readonly pipeline: Pick<Pipeline, 'name' | 'pictureSize'>;
  readonly fit: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
}

/**
 * Reads every picture once: its digest, its place in the shadows' pool, or why it is left out (it cannot be read, or has the
 * pixels of one before it).
 *
 * @throws VerbatimError (exit code 2) when a picture is member and non-member of a target, has another size than the model's, when no
 *   picture is in the pool, or none is left on one side
 */
export async function describePictures(
  items: readonly MembershipItem[],
  source: Pick<MembershipSource, 'pool' | 'inTurn'>,
  { pipeline, fit, signal, onProgress }: DescribeOptions,
): Promise<PictureRow[]> {
  const wanted = items.some(({ pool }) => pool === undefined) ? source.pool : undefined;
  const total = items.length + (wanted?.size ?? 0);
  let done = 0;
  let failed = 0;
  const report = () => onProgress?.({ stage: 'pictures', done, total, resumed: 0, failed, evaluations: 0 });
  const pool = new Map<string, number>();
  for (let i = 0; i < (wanted?.size ?? 0); i++) {
    signal?.throwIfAborted();
    const picture = await wanted!.picture(i).catch((error: unknown) => {
      rethrowFatal(error, signal);
      return undefined;
    });
    if (picture !== undefined) pool.set(pixelDigest(picture), i);
    done++;
    report();
  }
  const rows: PictureRow[] = [];
  const seen = new Map<string, PictureRow>();
  for (const [picture, item] of items.entries()) {
    signal?.throwIfAborted();
    const { source: at, key, caption, member, copies } = item;
    const base = { picture, source: at, key, caption, member, copies, pool: item.pool ?? null };
    const row = await describe(item, seen).then(
      (found): PictureRow => ({ ...base, ...found }),
      (error: unknown): PictureRow => {
        rethrowFatal(error, signal);
        return { ...base, pixels: null, error: errorText(error) };
      },
    );
    if (row.pixels !== null && row.error === null) seen.set(row.pixels, row);
    if (row.error !== null) failed++;
    rows.push(row);
    done++;
    report();
  }
  requireBothSides(rows);
  if (source.pool !== undefined && !rows.some((row) => row.error === null && row.pool !== null))
    throw new VerbatimError(
      "none of the pictures is in the shadows' pool (they are matched by their pixels); give the shadows of this dataset, or none",
      { exitCode: 2 },
    );
  return rows;

  async function describe(item: MembershipItem, before: ReadonlyMap<string, PictureRow>) {
    const raw = await item.picture();
    fitted(raw, pipeline, fit, `${item.member ? 'member' : 'non-member'} ${JSON.stringify(item.key)}`);
    const pixels = pixelDigest(raw);
    const other = before.get(pixels);
    if (other !== undefined && isMixed(other, item, source.inTurn))
      throw new VerbatimError(
        `${JSON.stringify(other.key)} and ${JSON.stringify(item.key)} have the same pixels, but one is a member and the other is not; take it out of one of the two sets`,
        { exitCode: 2 },
      );
    return {
      pool: item.pool ?? pool.get(pixels) ?? null,
      pixels,
      error: other === undefined ? null : `has the pixels of ${JSON.stringify(other.key)}`,
    };
  }
}

/** Whether some target was trained on one of two equal pictures and not on the other. */
function isMixed(
  a: Pick<PictureRow, 'member' | 'pool'>,
  b: Pick<MembershipItem, 'member' | 'pool'>,
  inTurn: MembershipSource['inTurn'],
): boolean {
  if (inTurn === undefined) return a.member !== b.member;
  return inTurn.some(({ trainedOn }) => trainedOn.has(a.pool!) !== trainedOn.has(b.pool!));
}

/** @param whose whose members these are, where there are several targets */
export function requireBothSides(rows: readonly Pick<PictureRow, 'member' | 'error'>[], whose = ''): void {
  for (const member of [true, false]) {
    const side = rows.filter((row) => row.member === member);
    if (side.some(({ error }) => error === null)) continue;
    const what = member ? 'members' : 'non-members';
    throw new VerbatimError(
      side.length === 0
        ? `there are no ${what}${whose}; an attack is measured by both`
        : `none of the ${side.length} ${what}${whose} can be used; the first: ${side[0]!.error}`,
      { exitCode: 2 },
    );
  }
}
