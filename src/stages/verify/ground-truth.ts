import { basename } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import {
  referenceDistance,
  referenceRetrievalThreshold,
  referenceTemplateDistance,
  referenceThreshold,
} from '../../labels/index.ts';
import { fileDigest, fromParquet, sql } from '../../tables/index.ts';
import type { SourcePictures } from './source-folder.ts';
import type { Judged, Making, RecordedFindings, RecordedPicture } from './types.ts';

/** What a ground-truth table does not record, and the user says. */
export interface GroundTruthOptions extends Making {
  /** Seeds that are tried where the row names none: 0 to samples − 1. */
  readonly samples: number;
  readonly limit?: number;
  readonly pictures?: SourcePictures;
}

interface GroundTruthRow {
  readonly caption: string;
  readonly url: string | null;
  readonly overfit_type: string;
  readonly gen_seeds: readonly number[] | null;
  readonly retrieved_urls: readonly string[] | null;
  readonly mse_real_gen: number | null;
}

const columns = ['caption', 'overfit_type'] as const;
const optional = ['url', 'gen_seeds', 'retrieved_urls', 'mse_real_gen'] as const;
const verdicts: ReadonlySet<string> = new Set(['MV', 'RV', 'TV']);

/**
 * The findings of a ground-truth table as Webster 2023 publishes it: rows whose `overfit_type` is MV, RV or TV. The seeds
 * are those of `gen_seeds`; where it is empty (as for MV) the first `samples` ones. They are judged by the reference rule:
 * TV against the retrieved templates under their masks, MV against the picture of `url`, RV against the retrieved ones.
 *
 * @throws VerbatimError (exit code 2) when the file is another table
 */
export async function groundTruthFindings(
  path: string,
  options: GroundTruthOptions,
): Promise<RecordedFindings> {
  const rows = await readRows(path);
  const { samples, limit, pictures, ...making } = options;
  const found = rows.filter(({ row }) => verdicts.has(row.overfit_type)).slice(0, limit);
  if (found.length === 0)
    throw new VerbatimError(`${path}: no row's overfit_type is MV, RV or TV; there is nothing to verify`, {
      exitCode: 2,
    });
  return {
    name: `${basename(path)} ${making.steps} ${making.sampler} ${making.guidance} ${making.noise} ${samples}${pictures === undefined ? '' : ' with pictures'}`,
    digest: await fileDigest(path),
    pictures: found.flatMap(({ row, at }) =>
      seedsOf(row, samples).map((seed) => recordedPicture(row, at, seed, making, pictures)),
    ),
  };
}

async function readRows(path: string): Promise<{ row: GroundTruthRow; at: number }[]> {
  const source = fromParquet([path]);
  const described = await sql<{ column_name: string }>(`DESCRIBE SELECT * FROM ${source}`).catch(
    (cause: unknown) => {
      throw new VerbatimError(
        `${path}: not a readable Parquet file; give a ground-truth table or a run folder`,
        { exitCode: 2, cause },
      );
    },
  );
  const there = new Set(described.map(({ column_name }) => column_name));
  const missing = columns.find((name) => !there.has(name));
  if (missing !== undefined)
    throw new VerbatimError(
      `${path}: has no column ${missing}; a ground-truth table has caption, url, overfit_type, gen_seeds and retrieved_urls`,
      { exitCode: 2 },
    );
  const selected = [...columns, ...optional].map((name) => (there.has(name) ? name : `NULL AS ${name}`));
  const rows = await sql<GroundTruthRow>(`SELECT ${selected.join(', ')} FROM ${source}`);
  return rows.map((row, at) => {
    if (verdicts.has(row.overfit_type) && typeof row.caption !== 'string')
      throw new VerbatimError(`${path}: row ${at}: caption is not a text`, { exitCode: 2 });
    return { row, at };
  });
}

function seedsOf({ gen_seeds }: GroundTruthRow, samples: number): bigint[] {
  const seeds = (gen_seeds ?? []).filter((seed) => Number.isSafeInteger(seed) && seed >= 0);
  return seeds.length > 0 ? seeds.map(BigInt) : Array.from({ length: samples }, (_, seed) => BigInt(seed));
}

function recordedPicture(
  row: GroundTruthRow,
  at: number,
  seed: bigint,
  making: Making,
  pictures: SourcePictures | undefined,
): RecordedPicture {
  return {
    finding: String(at),
    caption: row.caption,
    verdict: row.overfit_type,
    rule: 'reference',
    seed,
    making,
    image: null,
    distance: row.overfit_type === 'MV' ? row.mse_real_gen : null,
    threshold: row.overfit_type === 'RV' ? referenceRetrievalThreshold : referenceThreshold,
    picture: async () => null,
    async judge(picture): Promise<Judged | null> {
      if (pictures === undefined) return null;
      const threshold = row.overfit_type === 'RV' ? referenceRetrievalThreshold : referenceThreshold;
      let distance = Number.POSITIVE_INFINITY;
      if (row.overfit_type === 'MV') {
        if (row.url === null) throw new VerbatimError('the row has no url');
        distance = referenceDistance(picture, await pictures.picture(row.url, at));
      }
      for (const url of row.overfit_type === 'MV' ? [] : (row.retrieved_urls ?? [])) {
        const training = await pictures.picture(url);
        const mask = row.overfit_type === 'TV' ? await pictures.mask(url) : undefined;
        if (row.overfit_type === 'TV' && mask === undefined)
          throw new VerbatimError(`there is no mask of the template ${url.slice(0, 200)} among --images`);
        distance = Math.min(
          distance,
          mask === undefined
            ? referenceDistance(picture, training)
            : referenceTemplateDistance(training, picture, mask),
        );
      }
      if (distance === Number.POSITIVE_INFINITY) throw new VerbatimError('the row has no retrieved_urls');
      return { distance, threshold, verbatim: distance < threshold };
    },
  };
}
