import type { PictureSource } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import { createRandom, hashSeed } from '../../math/index.ts';
import { column, type Row } from '../../tables/index.ts';
import type { DdpmLabConfig } from './config.ts';

/** truth.parquet: one row per picture of the pool, in its order. */
export const poolColumns = {
  picture: column('INTEGER'),
  /** 'member' | 'planted' | 'held-out', as `target` has it. */
  role: column('VARCHAR'),
  /** Copies in the training set of `target`; 0 for held-out ones. */
  copies: column('INTEGER'),
  /** The kind of picture: a photograph's class. */
  scene: column('VARCHAR'),
} as const;
export type PoolRow = Row<typeof poolColumns>;

/** members.parquet: what each model was trained on; what is not there it has not seen. */
export const memberColumns = {
  model: column('VARCHAR'),
  picture: column('INTEGER'),
  copies: column('INTEGER'),
} as const;
export type MemberRow = Row<typeof memberColumns>;

/** The pictures of a lab of unconditional models and who is trained on which. */
export interface DdpmSet {
  /** In the order of the pool: members, planted ones, held-out ones. Its position is the picture's number in the source. */
  readonly pool: readonly PoolRow[];
  /** By model: the pool's positions, each as often as the model's training set holds it. */
  readonly entries: ReadonlyMap<string, Int32Array>;
}

/** 'shadow-00', … */
export const shadowName = (number: number) => `shadow-${String(number).padStart(2, '0')}`;

/**
 * Draws up the pool and the training sets: `target` has the members and every planted picture in its copies,
 * `deduplicated` has all of those once (where nothing is planted it would be `target`, and is left out), and shadow models 2k and 2k + 1 have complementary random halves of members and
 * held-out pictures (Carlini et al. 2022, "Membership inference attacks from first principles").
 *
 * @throws VerbatimError (exit code 2) when the source has too few pictures
 */
export function ddpmSet(config: DdpmLabConfig, source: PictureSource): DdpmSet {
  const { members, heldOut, planted, shadows, seed } = config;
  const copies = planted.copyCounts.flatMap((times) =>
    new Array<number>(planted.picturesPerCopyCount).fill(times),
  );
  const needed = members + copies.length + heldOut;
  if (needed > source.count)
    throw new VerbatimError(
      `${source.name}: the lab needs ${needed} different pictures, there are ${source.count}; lower members (${members}) or heldOut (${heldOut}).`,
      { exitCode: 2 },
    );
  const pool = Array.from({ length: needed }, (_, picture): PoolRow => {
    const { scene } = source.describe(picture);
    if (picture < members) return { picture, role: 'member', copies: 1, scene };
    const times = copies[picture - members];
    if (times !== undefined) return { picture, role: 'planted', copies: times, scene };
    return { picture, role: 'held-out', copies: 0, scene };
  });
  const trained = pool.filter((row) => row.copies > 0);
  const entries = new Map([
    ['target', Int32Array.from(trained.flatMap((row) => new Array<number>(row.copies).fill(row.picture)))],
  ]);
  if (copies.length > 0)
    entries.set(
      'deduplicated',
      Int32Array.from(trained, (row) => row.picture),
    );
  const drawn = pool.filter(({ role }) => role !== 'planted').map((row) => row.picture);
  for (let pair = 0; pair < shadows / 2; pair++) {
    const shuffled = createRandom(hashSeed(seed, 'shadows', pair)).shuffle([...drawn]);
    const half = Math.floor(shuffled.length / 2);
    entries.set(shadowName(2 * pair), Int32Array.from(shuffled.slice(0, half)).sort());
    entries.set(shadowName(2 * pair + 1), Int32Array.from(shuffled.slice(half)).sort());
  }
  return { pool, entries };
}

/** Rows of members.parquet. */
export function memberRows({ entries }: DdpmSet): MemberRow[] {
  return [...entries].flatMap(([model, pictures]) => {
    const counts = new Map<number, number>();
    for (const picture of pictures) counts.set(picture, (counts.get(picture) ?? 0) + 1);
    return [...counts].map(([picture, copies]) => ({ model, picture, copies }));
  });
}
