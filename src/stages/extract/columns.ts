import { column, nullable, type Row } from '../../tables/index.ts';

/** One row per training picture. Folder: tables/training; the distinct pictures stand in pictures/training/NNNNN.npy. */
export const trainingColumns = {
  /** Position in the dataset. */
  dataset_index: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** Position among the distinct pictures: those with the same pixels share it. Null when it could not be read. */
  row: nullable('INTEGER'),
  /** The first 32 hex digits of the SHA-256 of its pixels, as they are compared. */
  pixels: nullable('VARCHAR'),
  /** What the dataset says of how often the model saw it. */
  copies: nullable('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type TrainingRow = Row<typeof trainingColumns>;

/** One row per generated picture. Folder: tables/generations; the pictures stand in pictures/generated/NNNNN.npy. */
export const extractGenerationColumns = {
  /** Counted from 0. */
  generation: column('INTEGER'),
  /** Of a model: the same seed makes the picture again. */
  seed: nullable('BIGINT'),
  /** Of a folder of pictures: its key there. */
  key: nullable('VARCHAR'),
  /** Row in the shard's file of pictures; null when there is none. */
  row: nullable('INTEGER'),
  /** The first 32 hex digits of the SHA-256 of its pixels, as they are compared. */
  pixels: nullable('VARCHAR'),
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type ExtractGenerationRow = Row<typeof extractGenerationColumns>;

/**
 * One row per picture that was compared with the training set. Folders: tables/neighbours/generated and
 * tables/neighbours/held-out.
 */
export const neighbourColumns = {
  /** The generation, or the position in the held-out set. */
  item: column('INTEGER'),
  /** Position in the dataset of the nearest training picture; of those with the same pixels the first. */
  training_index: nullable('INTEGER'),
  /** ℓ2 to it: √(mean (a − b)²), values in [0, 1]. */
  distance: nullable('DOUBLE'),
  /** Mean ℓ2 to the n nearest. */
  background: nullable('DOUBLE'),
  /** distance / (α · background). */
  normalised: nullable('DOUBLE'),
  /** Whether it is the mirrored picture that comes so near; null where pictures were not mirrored. */
  mirrored: nullable('BOOLEAN'),
  error: nullable('VARCHAR'),
} as const;
export type NeighbourRow = Row<typeof neighbourColumns>;

/**
 * One row per extracted training image, the nearest first, and after them the nearest that were not extracted. Folder:
 * tables/extracted.
 */
export const extractedColumns = {
  /** From 1. */
  rank: column('INTEGER'),
  /** Whether `normalised` is within the threshold. */
  extracted: column('BOOLEAN'),
  /** The training picture that came nearest, as in the table of the dataset. */
  training_index: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** JSON: positions of all training pictures that were extracted and count as this one, ascending. */
  members: column('VARCHAR'),
  /** How often the image stands in the training set: by the dataset's own column, else rows with the pixels of its members. */
  copies: column('INTEGER'),
  /** Generated pictures within the threshold. */
  times: column('INTEGER'),
  /** The first of them. */
  first: nullable('INTEGER'),
  /** The nearest one, its seed or its key. */
  generation: column('INTEGER'),
  seed: nullable('BIGINT'),
  generated_key: nullable('VARCHAR'),
  distance: column('DOUBLE'),
  background: column('DOUBLE'),
  normalised: column('DOUBLE'),
  /** Whether the generated picture is the training picture mirrored; null where pictures were not mirrored. */
  mirrored: nullable('BOOLEAN'),
  /** SHA-256 of the two pictures as they were compared, in images/; the second is mirrored where the first is. */
  image: column('VARCHAR'),
  training_image: column('VARCHAR'),
  error: nullable('VARCHAR'),
} as const;
export type ExtractedRow = Row<typeof extractedColumns>;
