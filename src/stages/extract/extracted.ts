import { join } from 'node:path';
import { unionFind } from '../../dedup/index.ts';
import { encodePng, mirror, type Picture } from '../../images/index.ts';
import { rmsOf } from '../../labels/index.ts';
import { openRowFiles } from '../../search/index.ts';
import { fromParquet, putFile, readTable, sql } from '../../tables/index.ts';
import { type RunFolder, runTable } from '../run-folder.ts';
import { runStage, shardName } from '../stage.ts';
import { type ExtractedRow, extractedColumns, extractGenerationColumns } from './columns.ts';
import { normalisedDistance } from './neighbours.ts';
import { perPass, picturesPath, valuesOf } from './pictures.ts';
import type { TrainingSet } from './training.ts';
import type { ExtractInput } from './types.ts';

/** Training images that are listed though they were not extracted: the nearest ones. */
const nearMisses = 24;

/** What the generated pictures make of one training picture. */
interface Hit {
  readonly training_index: number;
  /** The nearest generation, of equally near ones the first. */
  readonly item: number;
  readonly distance: number;
  readonly background: number;
  readonly normalised: number;
  readonly mirrored: boolean | null;
  /** Generations within the threshold, and the first of them. */
  readonly times: number;
  readonly first: number | null;
}

/**
 * Ranks what was extracted: tables/extracted, with the pairs as PNGs in images/. Generated pictures of one training picture
 * are one extraction, and training pictures count once that would be extracted of each other: where one of them, taken as a
 * generated picture and compared with all others, lies within the threshold of the other.
 */
export async function runExtracted(
  input: ExtractInput,
  training: TrainingSet,
  threshold: number,
): Promise<ExtractedRow[]> {
  const { folder, signal, onProgress } = input;
  await runStage({
    folder,
    name: 'extracted',
    columns: extractedColumns,
    shards: [threshold],
    items: () => 1,
    signal,
    onProgress,
    process: () => rankExtracted(input, training, threshold),
  });
  return readTable(await runTable(folder, 'extracted'), extractedColumns);
}

async function rankExtracted(
  input: ExtractInput,
  training: TrainingSet,
  threshold: number,
): Promise<ExtractedRow[]> {
  const hits = await readHits(input.folder, threshold);
  const within = hits.filter(({ times }) => times > 0);
  const rowOf = new Map(training.rows.map(({ dataset_index }, row) => [dataset_index, row]));
  const groups = await groupHits(input, training, within, threshold, rowOf);
  const rows: ExtractedRow[] = [];
  const missed = hits.slice(within.length, within.length + nearMisses).map((hit) => [hit]);
  for (const [i, members] of [...groups, ...missed].entries()) {
    input.signal?.throwIfAborted();
    const best = members[0]!;
    const own = members.map(({ training_index }) => rowOf.get(training_index)!);
    const { key, caption } = training.rows[own[0]!]!;
    const firsts = members.flatMap(({ first }) => first ?? []);
    rows.push({
      rank: i + 1,
      extracted: best.times > 0,
      training_index: best.training_index,
      key,
      caption,
      members: JSON.stringify(members.map(({ training_index }) => training_index).sort((a, b) => a - b)),
      copies: own.reduce((sum, row) => sum + training.copies[row]!, 0),
      times: members.reduce((sum, { times }) => sum + times, 0),
      first: firsts.length === 0 ? null : firsts.reduce((a, b) => Math.min(a, b)),
      generation: best.item,
      ...(await storePair(input, training, best, own[0]!)),
      distance: best.distance,
      background: best.background,
      normalised: best.normalised,
      mirrored: best.mirrored,
      error: null,
    });
  }
  return rows;
}

/** Training pictures that are nearest to some generation, the nearest first. */
async function readHits(folder: RunFolder, threshold: number): Promise<Hit[]> {
  const source = fromParquet(await runTable(folder, 'neighbours/generated'));
  const limit = `CAST('${threshold}' AS DOUBLE)`;
  return sql<Hit>(`SELECT training_index, top.item AS item, top.distance AS distance,
      top.background AS background, top.normalised AS normalised, top.mirrored AS mirrored, times, first
    FROM (
      SELECT training_index,
        min(struct_pack(normalised := normalised, item := item, distance := distance, background := background, mirrored := mirrored)) AS top,
        count(*) FILTER (WHERE normalised <= ${limit}) AS times,
        min(item) FILTER (WHERE normalised <= ${limit}) AS first
      FROM ${source} WHERE error IS NULL GROUP BY training_index
    ) ORDER BY normalised, item`);
}

/** Hits that count as one image, each group and all groups in the order of the hits. */
async function groupHits(
  { config, size, signal }: ExtractInput,
  { search }: TrainingSet,
  hits: readonly Hit[],
  threshold: number,
  rowOf: ReadonlyMap<number, number>,
): Promise<Hit[][]> {
  const values = valuesOf(size);
  const hitOf = new Map(hits.map(({ training_index }, hit) => [rowOf.get(training_index)!, hit]));
  const sets = unionFind(hits.length);
  for (let from = 0; from < hits.length; from += perPass) {
    signal?.throwIfAborted();
    const part = hits.slice(from, from + perPass).map(({ training_index }) => rowOf.get(training_index)!);
    const queries = new Uint8Array(part.length * values);
    part.forEach((row, i) => {
      queries.set(search.row(row), i * values);
    });
    const found = await search.nearest(queries, config.neighbours + 1, { ...(signal && { signal }) });
    for (const [i, row] of part.entries()) {
      // All are distinct, so that nothing but itself lies at no distance.
      const others = found[i]!.filter(({ index }) => index !== row);
      const distances = others.map(({ squared }) => rmsOf(squared, values));
      const { background } = normalisedDistance(distances, config.alpha);
      for (const [j, { index }] of others.entries()) {
        const hit = hitOf.get(index);
        if (hit !== undefined && distances[j]! <= threshold * config.alpha * background)
          sets.join(from + i, hit);
      }
    }
  }
  const groups = new Map<number, Hit[]>();
  for (const [hit, one] of hits.entries()) {
    const name = sets.find(hit);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  // The smallest hit names a set, and hits come nearest first.
  return [...groups.values()];
}

/** Stores a generated picture and its training picture as PNGs, and says what makes the first again. */
async function storePair(
  { folder, size, config }: ExtractInput,
  { search }: TrainingSet,
  { item: generation, mirrored: flipped }: Hit,
  row: number,
): Promise<Pick<ExtractedRow, 'seed' | 'generated_key' | 'image' | 'training_image'>> {
  const shard = Math.floor(generation / config.shardSize);
  const [own] = (
    await readTable(join(folder.tables, 'generations', shardName(shard)), extractGenerationColumns)
  ).slice(generation - shard * config.shardSize);
  const file = await openRowFiles([picturesPath(folder, 'generated', shard)], ['uint8']);
  try {
    const data = new Uint8Array(valuesOf(size));
    file.readRow(own!.row!, data);
    const put = async (picture: Picture) => putFile(folder.images, await encodePng(picture), 'png');
    const training = { ...size, data: search.row(row) };
    return {
      seed: own!.seed,
      generated_key: own!.key,
      image: await put({ ...size, data }),
      training_image: await put(flipped === true ? mirror(training) : training),
    };
  } finally {
    await file.close();
  }
}
