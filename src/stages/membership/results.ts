import { scoreLosses } from '../../attacks/index.ts';
import { encodePng, type Picture } from '../../images/index.ts';
import { putFile } from '../../tables/index.ts';
import type { RunFolder } from '../run-folder.ts';
import { cutShards, runStage } from '../stage.ts';
import {
  type ExposedRow,
  exposedColumns,
  type MembershipRow,
  membershipColumns,
  type PictureRow,
} from './columns.ts';
import { readCompletions } from './completions.ts';
import { readLosses } from './losses.ts';
import { type ScoredAttack, splitScores } from './outcome.ts';
import type { InpaintingSettings, MembershipOptions } from './types.ts';

/** Members that are shown. */
const mostExposed = 20;
/** Rows of small tables per shard. */
export const rowsPerShard = 4096;

/** Of each shadow whether it was trained on each picture; null where the picture is not in its pool, or is left out. */
export function trainedOn({ shadows }: MembershipOptions['source'], rows: readonly PictureRow[]) {
  return shadows.map((shadow) =>
    rows.map(({ pool, error }) => (pool === null || error !== null ? null : shadow.trainedOn.has(pool))),
  );
}

/** Every attack by losses, scored from the table, and what the table cost. */
export async function lossScores(
  folder: RunFolder,
  { queries, source }: MembershipOptions,
  rows: readonly PictureRow[],
  models: readonly { readonly name: string; readonly shadow: boolean }[],
) {
  const { losses, evaluations } = await readLosses(
    folder,
    models.map(({ name }) => name),
    rows.length,
    queries,
  );
  const [target, ...others] = models;
  const known = trainedOn(source, rows);
  const shadows = others.map(({ name }, i) => ({ losses: losses.get(name)!, trainedOn: known[i]! }));
  return { attacks: scoreLosses({ losses: losses.get(target!.name)! }, shadows, queries), evaluations };
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

/** Stage `membership`: one row per picture and attack. */
export async function writeScores(
  stage: Stage,
  rows: readonly PictureRow[],
  attacks: readonly ScoredAttack[],
): Promise<void> {
  const all = attacks.flatMap(({ name, scores }) =>
    rows.map(({ picture, member, copies, error }, i): MembershipRow => {
      const score = error !== null || Number.isNaN(scores[i]!) ? null : scores[i]!;
      return { picture, member, copies, attack: name, score, error };
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
  rows: readonly PictureRow[],
  { name, scores }: ScoredAttack,
  images: ReadonlyMap<number, string | null>,
  picture: (row: PictureRow) => Promise<Picture>,
): Promise<ExposedRow[]> {
  const { nonMembers } = splitScores(scores, rows);
  const first = rows
    .flatMap((row, i) =>
      row.member && row.error === null && !Number.isNaN(scores[i]!) ? [{ row, score: scores[i]! }] : [],
    )
    .sort((a, b) => b.score - a.score || a.row.picture - b.row.picture)
    .slice(0, mostExposed);
  const exposed: ExposedRow[] = [];
  for (const [i, { row, score }] of first.entries())
    exposed.push({
      rank: i + 1,
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
