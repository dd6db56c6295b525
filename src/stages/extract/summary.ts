import { fromParquet, sql } from '../../tables/index.ts';
import type { RunFolder } from '../run-folder.ts';
import { runTable } from '../run-folder.ts';
import type { ExtractedRow } from './columns.ts';
import { type ExtractThreshold, shareWithin } from './threshold.ts';
import type { TrainingSet } from './training.ts';
import type { ExtractInput } from './types.ts';

/** What came of an extraction: summary.json. It holds neither clock nor path, so that two of them can be compared. */
export interface ExtractSummary {
  readonly model: { readonly name: string; readonly digest: string };
  readonly dataset: {
    readonly name: string;
    readonly size: number;
    /** Pictures that could not be read: nothing can be found to repeat them. */
    readonly unreadable: number;
    /** Different pictures among the others. */
    readonly distinct: number;
  };
  readonly heldOut: { readonly name: string; readonly size: number; readonly failed: number } | null;
  readonly generated: {
    readonly pictures: number;
    readonly failed: number;
    /** Different pictures among them. */
    readonly distinct: number;
    readonly evaluations: number;
  };
  readonly neighbours: number;
  readonly alpha: number;
  /** Pixels, at which pictures were compared. */
  readonly size: { readonly width: number; readonly height: number };
  readonly threshold: ExtractThreshold;
  readonly extracted: {
    /** Training images, near-duplicates counted once. */
    readonly images: number;
    /** Training pictures with different pixels in them. */
    readonly pictures: number;
    /** Generated pictures within the threshold. */
    readonly generations: number;
    /** What chance would bring within the threshold, by the tail; null without held-out pictures. */
    readonly expectedFalsePositives: number | null;
  };
  /** How many images the first so many generated pictures extract. */
  readonly growth: readonly { readonly generated: number; readonly images: number }[];
  /** What other thresholds would count. */
  readonly thresholds: readonly {
    readonly threshold: number;
    /** Training pictures with different pixels. */
    readonly pictures: number;
    readonly generations: number;
    readonly heldOut: number | null;
    readonly expectedFalsePositives: number | null;
  }[];
  /** Normalised distances, [low, high). */
  readonly histogram: readonly {
    readonly low: number;
    readonly high: number;
    readonly generated: number;
    readonly heldOut: number;
  }[];
  /** Why pictures failed, with how many did, the most frequent first. */
  readonly failures: readonly { readonly stage: string; readonly reason: string; readonly count: number }[];
}

const bins = 40;
const mostReasons = 20;

/** Reads the figures out of the tables. */
export async function summariseExtraction(
  input: ExtractInput,
  training: TrainingSet,
  threshold: ExtractThreshold,
  rows: readonly ExtractedRow[],
): Promise<ExtractSummary> {
  const { folder, maker, config, size, heldOut } = input;
  const generations = fromParquet(await runTable(folder, 'generations'));
  const generated = fromParquet(await runTable(folder, 'neighbours/generated'));
  const other = heldOut && fromParquet(await runTable(folder, 'neighbours/held-out'));
  const [made] = await sql<{ failed: number; distinct: number; evaluations: number }>(
    `SELECT count(error) AS failed, count(DISTINCT pixels) AS "distinct", sum(evaluations)::BIGINT AS evaluations FROM ${generations}`,
  );
  const compared = config.samples - made!.failed;
  const tail = threshold.heldOut;
  const expected = (value: number, within: number) =>
    tail === null ? null : compared * shareWithin(tail, value, within);
  const countWithin = async (source: string, value: number) => {
    const [row] = await sql<{ pictures: number; images: number }>(
      `SELECT count(*) AS pictures, count(DISTINCT training_index) AS images FROM ${source} WHERE normalised <= CAST('${value}' AS DOUBLE)`,
    );
    return row!;
  };
  const asked = [...Array.from({ length: 15 }, (_, i) => (i + 1) / (20 * config.alpha)), threshold.value];
  const thresholds: ExtractSummary['thresholds'][number][] = [];
  for (const value of [...new Set(asked)].sort((a, b) => a - b)) {
    const { pictures, images } = await countWithin(generated, value);
    const within = other === undefined ? null : (await countWithin(other, value)).pictures;
    thresholds.push({
      threshold: value,
      pictures: images,
      generations: pictures,
      heldOut: within,
      expectedFalsePositives: expected(value, within ?? 0),
    });
  }
  const found = rows.filter(({ extracted }) => extracted);
  const firsts = found.map(({ first }) => first!);
  const [lost] = other ? await sql<{ failed: number }>(`SELECT count(error) AS failed FROM ${other}`) : [];
  return {
    model: { name: maker.name, digest: maker.digest },
    dataset: {
      name: input.training.name,
      size: input.training.size,
      unreadable: training.unreadable,
      distinct: training.rows.length,
    },
    heldOut: heldOut === undefined ? null : { name: heldOut.name, size: heldOut.size, failed: lost!.failed },
    generated: { pictures: config.samples, ...made! },
    neighbours: config.neighbours,
    alpha: config.alpha,
    size,
    threshold,
    extracted: {
      images: found.length,
      pictures: found.reduce((sum, { members }) => sum + (JSON.parse(members) as number[]).length, 0),
      generations: found.reduce((sum, { times }) => sum + times, 0),
      expectedFalsePositives: expected(threshold.value, tail?.within ?? 0),
    },
    growth: growthPoints(config.samples).map((count) => ({
      generated: count,
      images: firsts.filter((first) => first < count).length,
    })),
    thresholds,
    histogram: await histogram(config.alpha, generated, other),
    failures: await failuresOf(folder),
  };
}

/** 1, 2, 4, … and all. */
function growthPoints(samples: number): number[] {
  const points: number[] = [];
  for (let count = 1; count < samples; count *= 2) points.push(count);
  return [...points, samples];
}

async function histogram(alpha: number, generated: string, heldOut: string | undefined) {
  const width = 1 / alpha / bins;
  const counts = async (source: string | undefined) => {
    const rows =
      source === undefined
        ? []
        : await sql<{ bin: number; n: number }>(
            `SELECT least(${bins - 1}, floor(normalised / ${width})::INTEGER) AS bin, count(*) AS n FROM ${source} WHERE error IS NULL GROUP BY bin`,
          );
    return new Map(rows.map(({ bin, n }) => [bin, n]));
  };
  const [own, other] = [await counts(generated), await counts(heldOut)];
  return Array.from({ length: bins }, (_, bin) => ({
    low: Number((bin * width).toPrecision(12)),
    high: Number(((bin + 1) * width).toPrecision(12)),
    generated: own.get(bin) ?? 0,
    heldOut: other.get(bin) ?? 0,
  }));
}

async function failuresOf(folder: RunFolder): Promise<ExtractSummary['failures'][number][]> {
  const all: ExtractSummary['failures'][number][] = [];
  for (const stage of ['training', 'generations', 'neighbours/held-out']) {
    const files = await runTable(folder, stage);
    if (files.length === 0) continue;
    const rows = await sql<{ reason: string; count: number }>(
      `SELECT error AS reason, count(*) AS count FROM ${fromParquet(files)} WHERE error IS NOT NULL
       GROUP BY error ORDER BY count DESC, reason LIMIT ${mostReasons}`,
    );
    all.push(...rows.map((row) => ({ stage, ...row })));
  }
  return all;
}
