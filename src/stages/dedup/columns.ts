import { column, nullable, type Row } from '../../tables/index.ts';

/**
 * The tables of a dedup folder; docs/dedup.md says the same for readers. `item` numbers rows in the order in which their
 * shards joined the folder, and never changes; `dataset_index` is the position in the dataset as it is now.
 */

/** One row per row of the dataset. Folder: tables/items/BATCH, with vectors/BATCH/NNNNN.npy beside it. */
export const itemColumns = {
  item: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** Of the picture's file as it is stored; of drawn pictures of their pixels. Null without pictures. */
  sha256: nullable('VARCHAR'),
  md5: nullable('VARCHAR'),
  bytes: nullable('INTEGER'),
  width: nullable('INTEGER'),
  height: nullable('INTEGER'),
  /** 16 hex digits; null where a picture has no structure to hash. */
  phash: nullable('VARCHAR'),
  /** Hashes of the fields of a 3 × 3 grid, row by row, 16 digits each, or `-` 16 times. With families only. */
  fields: nullable('VARCHAR'),
  /** Whether the item has a vector: a row of vectors/. */
  described: column('BOOLEAN'),
  error: nullable('VARCHAR'),
} as const;
export type ItemRow = Row<typeof itemColumns>;

/** One row per part of a picture in which another may lie. Folder: tables/tiles/BATCH. */
export const tileColumns = {
  item: column('INTEGER'),
  x: column('INTEGER'),
  y: column('INTEGER'),
  width: column('INTEGER'),
  height: column('INTEGER'),
  phash: column('VARCHAR'),
} as const;
export type TileRow = Row<typeof tileColumns>;

/** One row per pair. Folders: tables/edges-LEVEL/BATCH. */
export const edgeColumns = {
  a: column('INTEGER'),
  b: column('INTEGER'),
  /** Differing bits (perceptual), cosine (descriptor), common words (caption), 1 (file). */
  score: column('DOUBLE'),
} as const;
export type EdgeRow = Row<typeof edgeColumns>;

/** As edges: picture `a` lies in a part of picture `b`. Folder: tables/edges-tiles/BATCH. */
export const partColumns = {
  ...edgeColumns,
  /** Differing bits of the hashes that led to it. */
  bits: column('INTEGER'),
  x: column('INTEGER'),
  y: column('INTEGER'),
  width: column('INTEGER'),
  height: column('INTEGER'),
  /** Share of `b` that the part covers. From a half on, the edge joins groups. */
  area: column('DOUBLE'),
} as const;
export type PartRow = Row<typeof partColumns>;

/** One row per item that belongs to a group. File: groups.parquet, by group. */
export const memberColumns = {
  /** 0 is the largest group. */
  group: column('INTEGER'),
  item: column('INTEGER'),
  dataset_index: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** Items of the group: the duplication rate. */
  rate: column('INTEGER'),
  keep: column('BOOLEAN'),
  /** The strictest level at which the item has an edge. */
  level: column('VARCHAR'),
  /** Different captions in the group, and the share of its items that have the most frequent one; 0 and null without captions. */
  captions: column('INTEGER'),
  caption_share: nullable('DOUBLE'),
  /** 'image-and-text' | 'mixed' | 'image-only'; null without captions. */
  modality: nullable('VARCHAR'),
  /** Over all pairs of the group, also those without an edge: most differing bits, least cosine. */
  most_bits: nullable('INTEGER'),
  least_cosine: nullable('DOUBLE'),
  sha256: nullable('VARCHAR'),
  width: nullable('INTEGER'),
  height: nullable('INTEGER'),
} as const;
export type MemberRow = Row<typeof memberColumns>;

/** One row per caption. File: candidates.parquet, by rank. */
export const duplicatedColumns = {
  /** From 1 on: the order in which an audit should take them. */
  rank: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  dataset_index: column('INTEGER'),
  /** The largest rate of a group that has the caption. */
  copies: column('INTEGER'),
  /** Rows with this caption, spelt the same. */
  caption_copies: column('INTEGER'),
  group: nullable('INTEGER'),
  modality: nullable('VARCHAR'),
  /** Rows of the dataset with this caption, the first of each different file, 16 at most: JSON. */
  rows: column('VARCHAR'),
} as const;
export type DuplicatedRow = Row<typeof duplicatedColumns>;

/** One row per item of a template-like family. File: families.parquet. */
export const dedupFamilyColumns = {
  family: column('INTEGER'),
  item: column('INTEGER'),
  dataset_index: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** Items of the family. */
  rate: column('INTEGER'),
  seed: column('BOOLEAN'),
  /** Share of the picture that varies. */
  varying: column('DOUBLE'),
  /** SHA-256 of images/…png: white where the variants agree. */
  mask: column('VARCHAR'),
} as const;
export type DedupFamilyRow = Row<typeof dedupFamilyColumns>;
