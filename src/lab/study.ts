import type { TruthRow } from '../datasets/index.ts';
import { generate, type Pipeline, type SeededNoise } from '../diffusion/index.ts';
import { allPictures, type Picture, rms } from '../images/index.ts';
import { type Calibration, calibrateOnPictures } from '../labels/index.ts';
import { column, type Row } from '../tables/index.ts';
import type { Lab, Twin } from './train.ts';

/** memorized.parquet: one row per planted group or family, both twins asked with the same noise. */
export const memorizedColumns = {
  group: column('VARCHAR'),
  /** 'duplicate' | 'template'. */
  kind: column('VARCHAR'),
  /** The twin that was trained on it. */
  twin: column('VARCHAR'),
  copies: column('INTEGER'),
  /** The caption that both twins were given: the group's most frequent one. */
  caption: column('VARCHAR'),
  /** Smallest RMS in [0, 1] between the caption's picture and a sample of each twin. */
  rms_a: column('DOUBLE'),
  rms_b: column('DOUBLE'),
  threshold: column('DOUBLE'),
  /** The twin that was trained on it returns the picture, and the other does not. */
  memorized: column('BOOLEAN'),
} as const;
export type MemorizedRow = Row<typeof memorizedColumns>;

export interface StudyOptions {
  readonly pipelines: Readonly<Record<Twin, Pipeline>>;
  readonly noise: SeededNoise;
  readonly steps: number;
  /** Samples per caption and twin. */
  readonly samples: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onCaption?: (done: number, total: number) => void;
}

/**
 * The twins' verdict on every planted item: *memorized by A* means that a sample of A for its caption
 * matches the item and no sample of B does; and the other way round. A match is an RMS at most as large as
 * the distance that .1% of held-out pictures reach against all training pictures of both twins.
 */
export async function studyTwins(
  lab: Lab,
  options: StudyOptions,
): Promise<{ calibration: Calibration; rows: MemorizedRow[] }> {
  const { set } = lab;
  const heldOut = set.truth.filter((row) => row.kind === 'held-out');
  const trained = [...new Set(set.truth.filter((row) => row.twin !== 'none').map((row) => row.pictureIndex))];
  const engine = {
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.signal && { signal: options.signal }),
  };
  const calibration = await calibrateOnPictures(
    await Promise.all(heldOut.map((row) => lab.picture(row.pictureIndex))),
    { size: trained.length, picture: (index) => lab.picture(trained[index]!) },
    engine,
  );

  const items = plantedItems(set.truth);
  const pictures = await Promise.all(items.map((row) => lab.picture(row.pictureIndex)));
  const total = items.length * 2;
  const distances = { A: new Float64Array(items.length), B: new Float64Array(items.length) };
  let asked = 0;
  for (const twin of ['A', 'B'] as const) {
    const batch = 16;
    for (let from = 0; from < items.length; from += batch) {
      const part = items.slice(from, from + batch);
      const found = await nearestSamples(
        options,
        options.pipelines[twin],
        part,
        pictures.slice(from, from + batch),
      );
      distances[twin].set(found, from);
      asked += part.length;
      options.onCaption?.(asked, total);
    }
  }
  const rows = items.map((row, i): MemorizedRow => {
    const matches = {
      A: distances.A[i]! <= calibration.threshold,
      B: distances.B[i]! <= calibration.threshold,
    };
    const own = row.twin as Twin;
    return {
      group: row.group,
      kind: row.kind,
      twin: own,
      copies: row.copies,
      caption: row.caption,
      rms_a: distances.A[i]!,
      rms_b: distances.B[i]!,
      threshold: calibration.threshold,
      memorized: matches[own] && !matches[own === 'A' ? 'B' : 'A'],
    };
  });
  return { calibration, rows };
}

/** The most frequent row of every group and family, in the order of the truth. */
function plantedItems(truth: readonly TruthRow[]): TruthRow[] {
  const best = new Map<string, TruthRow>();
  for (const row of truth) {
    if (row.kind !== 'duplicate' && row.kind !== 'template') continue;
    const known = best.get(row.group);
    if (!known || row.repeats > known.repeats) best.set(row.group, row);
  }
  return [...best.values()];
}

async function nearestSamples(
  options: StudyOptions,
  pipeline: Pipeline,
  rows: readonly TruthRow[],
  pictures: readonly Picture[],
): Promise<number[]> {
  const { samples } = options;
  const each = <T>(value: (row: TruthRow, sample: number) => T) =>
    rows.flatMap((row) => Array.from({ length: samples }, (_, sample) => value(row, sample)));
  const generated = await generate(pipeline, {
    captions: each((row) => row.caption),
    seeds: each((_, sample) => sample),
    noise: options.noise,
    steps: options.steps,
    // Unguided: what is memorized comes back so, and guidance drives it past the picture it repeats.
    guidance: 1,
    ...(options.signal && { signal: options.signal }),
  });
  const made = allPictures(generated.pictures);
  return pictures.map((picture, i) =>
    Math.min(...made.slice(i * samples, (i + 1) * samples).map((sample) => rms(sample, picture))),
  );
}

/** Planted and memorized groups per copy count, duplicates of both twins together. */
export function memorizedByCopies(
  rows: readonly MemorizedRow[],
): { copies: number; planted: number; memorized: number }[] {
  const duplicates = rows.filter((row) => row.kind === 'duplicate');
  return [...new Set(duplicates.map((row) => row.copies))]
    .sort((a, b) => a - b)
    .map((copies) => {
      const group = duplicates.filter((row) => row.copies === copies);
      return { copies, planted: group.length, memorized: group.filter((row) => row.memorized).length };
    });
}
