import { VerbatimError } from '../errors.ts';
import { column, nullable, type Row, sha256 } from '../tables/index.ts';
import type { Dataset, DatasetRow, PlantedSet, TruthRow } from './types.ts';

/** A twin's training set written out: entry i is picture pictureIndices[i] with captions[captionIndices[i]]. */
export interface TrainingEntries {
  /** Indices among the set's distinct pictures, one per entry, repeats included. */
  readonly pictureIndices: Int32Array;
  /** Indices into `captions`, one per entry. */
  readonly captionIndices: Int32Array;
  /** The distinct captions of the twin's set. */
  readonly captions: readonly string[];
}

/** Whether a twin was trained on a row of the truth. */
export function isMember(row: Pick<TruthRow, 'twin'>, twin: 'A' | 'B'): boolean {
  return row.twin === twin || row.twin === 'both';
}

/** What twin A or B is trained on: every row of its truth as often as it repeats, in the order of the truth. */
export function trainingEntries(set: PlantedSet, twin: 'A' | 'B'): TrainingEntries {
  const rows = set.truth.filter((row) => isMember(row, twin));
  const entries = rows.reduce((sum, row) => sum + row.repeats, 0);
  const pictureIndices = new Int32Array(entries);
  const captionIndices = new Int32Array(entries);
  let at = 0;
  rows.forEach((row, captionIndex) => {
    pictureIndices.fill(row.pictureIndex, at, at + row.repeats);
    captionIndices.fill(captionIndex, at, at + row.repeats);
    at += row.repeats;
  });
  return { pictureIndices, captionIndices, captions: rows.map((row) => row.caption) };
}

/** Columns of truth.parquet; see docs/datasets/planted.md. */
export const truthColumns = {
  key: column('VARCHAR'),
  kind: column('VARCHAR'),
  twin: column('VARCHAR'),
  group: column('VARCHAR'),
  caption: column('VARCHAR'),
  scene: column('VARCHAR'),
  repeats: column('INTEGER'),
  copies: column('INTEGER'),
  picture_index: column('INTEGER'),
  region_x: nullable('INTEGER'),
  region_y: nullable('INTEGER'),
  region_width: nullable('INTEGER'),
  region_height: nullable('INTEGER'),
} as const;

/** The truth as rows of `truthColumns`. */
export function truthTable(set: Pick<PlantedSet, 'truth'>): Row<typeof truthColumns>[] {
  return set.truth.map((row) => ({
    key: row.key,
    kind: row.kind,
    twin: row.twin,
    group: row.group,
    caption: row.caption,
    scene: row.scene,
    repeats: row.repeats,
    copies: row.copies,
    picture_index: row.pictureIndex,
    region_x: row.region?.[0] ?? null,
    region_y: row.region?.[1] ?? null,
    region_width: row.region?.[2] ?? null,
    region_height: row.region?.[3] ?? null,
  }));
}

/** Some rows of a planted set as a dataset of its own, in the order of the truth; `name` says which. */
export function truthDataset(set: PlantedSet, name: string, keep: (row: TruthRow) => boolean): Dataset {
  const chosen = set.truth.filter(keep);
  const rows: DatasetRow[] = chosen.map(({ key, caption, repeats }, index) => ({
    index,
    key,
    caption,
    copies: repeats,
  }));
  const digest = sha256(JSON.stringify([set.digest, chosen.map((row) => row.key)]));
  let positions: Map<string, number> | undefined;
  return {
    name,
    digest,
    size: rows.length,
    format: 'planted',
    shards: [{ name, from: 0, to: rows.length, digest }],
    problems: [],
    hasPictures: true,
    async *rows(from = 0, to = rows.length) {
      yield* rows.slice(from, to);
    },
    async picture(index) {
      const row = chosen[index];
      if (row === undefined) {
        throw new VerbatimError(`${name}: there is no row ${index}; the dataset has ${chosen.length} rows.`);
      }
      return set.picture(row.pictureIndex);
    },
    async find(key) {
      positions ??= new Map(rows.map((row) => [row.key, row.index]));
      return positions.get(key);
    },
    close: async () => {},
  };
}

/** A twin's training set as a dataset: one row per distinct (picture, caption). */
export function twinDataset(set: PlantedSet, twin: 'A' | 'B'): Dataset {
  return truthDataset(set, `${set.name}-${twin}`, (row) => isMember(row, twin));
}
