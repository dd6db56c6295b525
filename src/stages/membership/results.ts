import { type LossQueries, lossesPerPicture, modelLosses, scoreLosses } from '../../attacks/index.ts';
import { encodePng, type Picture } from '../../images/index.ts';
import { putFile } from '../../tables/index.ts';
import type { RunFolder } from '../run-folder.ts';
import { cutShards, runStage } from '../stage.ts';
import {
  type AskedRow,
  type ExposedRow,
  exposedColumns,
  type MembershipRow,
  membershipColumns,
  type PictureRow,
} from './columns.ts';
import { readCompletions } from './completions.ts';
import { readLosses } from './losses.ts';
import { type ScoredAttack, splitScores } from './outcome.ts';
import type { InpaintingSettings, MembershipSource, ShadowModel } from './types.ts';

/** Members that are shown. */
const mostExposed = 20;
/** Rows of small tables per shard. */
export const rowsPerShard = 4096;

/** One model that is attacked, and the shadows around it. */
export interface Turn {
  readonly target: string;
  readonly shadows: readonly ShadowModel[];
}

/** Who is attacked, one after the other. */
export function turnsOf({ target, shadows, inTurn }: MembershipSource): Turn[] {
  if (inTurn === undefined) return [{ target: target.name, shadows }];
  return inTurn.map(({ name }) => ({
    target: name,
    shadows: inTurn.filter((other) => other.name !== name),
  }));
}

/** The pictures as each target is asked about them, one target after the other. */
export function askedRows({ target, inTurn }: MembershipSource, rows: readonly PictureRow[]): AskedRow[] {
  if (inTurn === undefined) return rows.map((row) => ({ ...row, target: target.name }));
  return inTurn.flatMap(({ name, trainedOn }) =>
    rows.map((row) => {
      // All of them are of the pool.
      const copies = trainedOn.get(row.pool!) ?? 0;
      return { ...row, target: name, member: copies > 0, copies };
    }),
  );
}

/** Of each shadow whether it was trained on each picture; null where the picture is not in its pool, or is left out. */
export function trainedOn(shadows: readonly ShadowModel[], rows: readonly PictureRow[]) {
  return shadows.map((shadow) =>
    rows.map(({ pool, error }) => (pool === null || error !== null ? null : shadow.trainedOn.has(pool))),
  );
}

/**
 * Every attack by losses, scored from the table for each target in turn: the scores of one behind those of the other, as in
 * `askedRows`. And what the table cost.
 */
export async function lossScores(
  folder: RunFolder,
  queries: LossQueries,
  rows: readonly PictureRow[],
  turns: readonly Turn[],
): Promise<{ attacks: ScoredAttack[]; evaluations: number }> {
  const [first] = turns as [Turn];
  const names = [first.target, ...first.shadows.map(({ name }) => name)];
  const targets = turns.map(({ target }) => target);
  const { losses, evaluations } = await readLosses(folder, names, rows.length, queries, targets);
  const models = new Map([...losses].map(([name, values]) => [name, modelLosses(values, queries)]));
  const scored = turns.map(({ target, shadows }) => {
    const known = trainedOn(shadows, rows);
    return scoreLosses(
      models.get(target)!,
      shadows.map(({ name }, i) => ({ ...models.get(name)!, trainedOn: known[i]! })),
      queries,
    );
  });
  if (scored.length === 1) return { attacks: scored[0]!, evaluations };
  const attacks = scored[0]!.map(({ name, method, used, lira }, i) => {
    const each = scored.map((attacks) => attacks[i]!);
    // As targets or as shadows all models are asked about what some target has a score of: once each.
    const asked = rows.filter((_, picture) => each.some(({ scores }) => !Number.isNaN(scores[picture])));
    return {
      name,
      scores: Float64Array.from(each.flatMap(({ scores }) => [...scores])),
      evaluations:
        method === 'loss'
          ? each.reduce((sum, one) => sum + one.evaluations, 0)
          : asked.length * turns.length * lossesPerPicture({ ...queries, ...used }),
      // Each target has deviations of its own.
      lira: lira && { ...lira, deviations: null },
    };
  });
  return { attacks, evaluations };
}

/** The inpainting scores from the table, and the surest completion of each picture. */
export async function completionScores(
  folder: RunFolder,
  { keep }: InpaintingSettings,
  rows: readonly PictureRow[],
) {
  const { found, evaluations } = await readCompletions(folder, keep);
  const scores = (of: 'plain' | 'overAll' | 'overFill') =>
    rows.map(({ picture }) => found.get(picture)?.score[of] ?? Number.NaN);
  return {
    // The last stands for all: the mean of all completions is no measure for pictures that come back every time.
    attacks: [
      { name: 'inpainting-plain', scores: scores('plain'), evaluations },
      { name: 'inpainting-over-all', scores: scores('overAll'), evaluations },
      { name: 'inpainting', scores: scores('overFill'), evaluations },
    ],
    evaluations,
    images: new Map([...found].map(([picture, { image }]) => [picture, image] as const)),
  };
}

/** What stages that only write a table share. */
type Stage = Pick<Parameters<typeof runStage>[0], 'folder' | 'signal' | 'onProgress'>;

/** Stage `membership`: one row per target, picture and attack. */
export async function writeScores(
  stage: Stage,
  rows: readonly AskedRow[],
  attacks: readonly ScoredAttack[],
): Promise<void> {
  const all = attacks.flatMap(({ name, scores }) =>
    rows.map(({ target, picture, member, copies, error }, i): MembershipRow => {
      const score = error !== null || Number.isNaN(scores[i]!) ? null : scores[i]!;
      return { target, picture, member, copies, attack: name, score, error };
    }),
  );
  await runStage({
    ...stage,
    name: 'membership',
    columns: membershipColumns,
    shards: cutShards(all, rowsPerShard * 4),
    items: (shard) => shard.length,
    process: async (shard) => shard,
  });
}

/** Stage `exposed`: the members with the highest scores of an attack, with their pictures: what a reader should look at first. */
export async function writeExposed(
  stage: Stage,
  rows: readonly AskedRow[],
  { name, scores }: ScoredAttack,
  images: ReadonlyMap<number, string | null>,
  picture: (row: PictureRow) => Promise<Picture>,
): Promise<ExposedRow[]> {
  const { nonMembers } = splitScores(scores, rows);
  const ranked = rows
    .flatMap((row, i) =>
      row.member && row.error === null && !Number.isNaN(scores[i]!) ? [{ row, score: scores[i]! }] : [],
    )
    .sort((a, b) => b.score - a.score || a.row.picture - b.row.picture);
  // A picture that several targets give away is shown once.
  const best = new Map<number, (typeof ranked)[number]>();
  for (const one of ranked) {
    if (best.size === mostExposed) break;
    if (!best.has(one.row.picture)) best.set(one.row.picture, one);
  }
  const first = [...best.values()];
  const exposed: ExposedRow[] = [];
  for (const [i, { row, score }] of first.entries())
    exposed.push({
      rank: i + 1,
      target: row.target,
      picture: row.picture,
      attack: name,
      score,
      non_members_above: nonMembers.filter((other) => other >= score).length,
      image: await putFile(stage.folder.images, await encodePng(await picture(row)), 'png'),
      completion: images.get(row.picture) ?? null,
    });
  await runStage({
    ...stage,
    name: 'exposed',
    columns: exposedColumns,
    shards: [exposed],
    items: (shard) => shard.length,
    process: async (shard) => shard,
  });
  return exposed;
}
