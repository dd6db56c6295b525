import {
  type CliqueSearch,
  captionsTogether,
  type PreparedCliques,
  type SampleTask,
  searchCliques,
} from '../attacks/index.ts';
import { VerbatimError } from '../errors.ts';
import { encodePng, isPicture, type PictureOrError } from '../images/index.ts';
import { pictureView } from '../labels/index.ts';
import { openTiledDistances, type TiledDistances } from '../search/index.ts';
import { putFile, readTable } from '../tables/index.ts';
import {
  type CandidateRow,
  type CliqueRow,
  cliqueColumns,
  type GenerationRow,
  generationColumns,
} from './columns.ts';
import type { AuditConfig } from './config.ts';
import type { ModelInput, StageInput } from './flow.ts';
import { makePictures, makingOf, seedOf } from './make-pictures.ts';
import { runTable } from './run-folder.ts';
import { cutShards, errorText, mayEndRun, runStage, type ShardContext } from './stage.ts';

/** A few captions side by side fill batches; a kill costs their samples. */
function captionsPerShard({ batch, shardSize }: AuditConfig): number {
  return Math.min(shardSize, Math.max(1, Math.ceil(batch / 4)));
}

/** Generate-and-filter for some captions: tables/cliques, and the pictures of flagged cliques in images/. */
export async function runCliques(
  input: ModelInput,
  prepared: PreparedCliques,
  captions: readonly CandidateRow[],
): Promise<void> {
  const { config, folder, generator, signal, onProgress } = input;
  let engine: Promise<TiledDistances> | undefined;
  // Where all shards are there, none is needed.
  const open = () => {
    engine ??= openTiledDistances({
      ...(config.threads !== undefined && { threads: config.threads }),
      ...(signal && { signal }),
    });
    return engine;
  };
  try {
    await runStage({
      folder,
      name: 'cliques',
      columns: cliqueColumns,
      shards: cutShards(captions, captionsPerShard(config)),
      items: (shard) => shard.length,
      meter: generator.meter,
      signal,
      onProgress,
      process: async (shard, context) => searchShard(input, prepared, await open(), shard, context),
    });
  } finally {
    await (await engine)?.close();
  }
}

async function searchShard(
  input: ModelInput,
  prepared: PreparedCliques,
  engine: TiledDistances,
  captions: readonly CandidateRow[],
  context: ShardContext,
): Promise<CliqueRow[]> {
  const { config, generator, signal } = input;
  const [height, width] = generator.pictureSize;
  const evaluations = captions.map(() => 0);
  const rows: CliqueRow[] = [];
  const failures: unknown[] = [];
  let asked = 0;
  const supply = async (tasks: readonly SampleTask[]): Promise<PictureOrError[]> => {
    const samples: PictureOrError[] = [];
    const size = generator.together ?? tasks.length;
    for (let from = 0; from < tasks.length; from += size) {
      context.signal?.throwIfAborted();
      const part = tasks.slice(from, from + size);
      const wanted = part.map(({ caption, sample }) => ({
        caption: captions[caption]!.caption,
        seed: seedOf(config.synthesis, sample),
      }));
      const made = await makePictures(input, wanted, config.synthesis.steps);
      for (const [i, one] of made.entries()) {
        if ('thrown' in one) {
          failures.push(one.thrown);
          samples.push(new VerbatimError(errorText(one.thrown)));
          continue;
        }
        evaluations[part[i]!.caption]! += one.evaluations;
        // A model has computed what is not a number; a service without any picture is at fault.
        if (generator.pipeline === undefined && !isPicture(one.picture)) failures.push(one.picture);
        // A service may send another size: compared, and kept, is what the audit compares.
        samples.push(isPicture(one.picture) ? pictureView(one.picture, { width, height }) : one.picture);
      }
    }
    asked += tasks.length;
    return samples;
  };
  await searchCliques(
    captions.length,
    supply,
    engine,
    prepared,
    async (caption, search) => {
      const row = await store(input, prepared, search);
      rows[caption] = { key: captions[caption]!.key, ...row, evaluations: evaluations[caption]! };
      context.advance(1);
    },
    {
      together: Math.min(captions.length, captionsTogether(prepared, 3 * width * height)),
      ...(signal && { signal }),
    },
  );
  if (asked > 0 && failures.length === asked && mayEndRun(generator, context)) throw failures[0];
  return rows;
}

/** What is said of a caption; where it is flagged, as many members as a clique needs are kept as pictures. */
async function store(
  { config, folder }: ModelInput,
  { options }: PreparedCliques,
  search: CliqueSearch,
): Promise<Omit<CliqueRow, 'key' | 'evaluations'>> {
  const result = search.result();
  const flagged = result.decision === 'clique';
  const keep = (sample: number) =>
    encodePng(search.picture(sample)).then((png) => putFile(folder.images, png, 'png'));
  const medoid = flagged ? result.medoid : null;
  const members: { sample: number; image: string | null }[] = [];
  for (const [i, sample] of result.members.entries())
    members.push({
      sample,
      image: flagged && (i < options.clique || sample === medoid) ? await keep(sample) : null,
    });
  return {
    samples: result.samples,
    failed: result.failed,
    size: result.members.length,
    proven: result.proven,
    mean_distance: result.meanDistance,
    bottleneck: result.bottleneck,
    score: result.score,
    decision: result.decision,
    medoid,
    seed: medoid === null ? null : BigInt(seedOf(config.synthesis, medoid)),
    image: members.find(({ sample }) => sample === medoid)?.image ?? null,
    members: JSON.stringify(members),
    error: result.error === null ? null : errorText(new Error(result.error)),
  };
}

/** Flagged captions, by mean distance; equal ones in the order of their keys. */
export async function flaggedCaptions(
  { folder }: Pick<StageInput, 'folder'>,
  limit: number,
): Promise<{ key: string; score: number }[]> {
  const rows = await readTable(await runTable(folder, 'cliques'), cliqueColumns);
  return rows
    .filter(({ decision }) => decision === 'clique')
    .map(({ key, score }) => ({ key, score: score! }))
    .sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1))
    .slice(0, limit);
}

/**
 * The extracted pictures as tables/generations, where generate-and-filter is the last step: of each caption the medoid of its
 * clique. They are there, so nothing is computed.
 */
export async function runExtracted(input: ModelInput, chosen: readonly CandidateRow[]): Promise<void> {
  const { config, folder, signal, onProgress } = input;
  await runStage({
    folder,
    name: 'generations',
    columns: generationColumns,
    shards: cutShards(chosen, config.shardSize),
    items: (captions) => captions.length,
    signal,
    onProgress,
    process: async (captions) => {
      const rows = await readTable(await runTable(folder, 'cliques'), cliqueColumns);
      const byKey = new Map(rows.map((row) => [row.key, row]));
      return captions.map(({ key }): GenerationRow => {
        const { medoid, image } = byKey.get(key)!;
        const sample = medoid!;
        return { key, sample, ...makingOf(input, sample), image, evaluations: 0, error: null };
      });
    },
  });
}
