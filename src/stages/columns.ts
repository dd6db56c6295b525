import { column, nullable, type Row } from '../tables/index.ts';

/**
 * The tables of a run, column by column: the contract between the stages, the labels and the reports.
 * docs/run-folder.md says the same for readers with pandas or DuckDB.
 *
 * Every table has a nullable `error`: a failed item is a row with its reason and nulls where the
 * result would be. `evaluations` are stored per row, so that every total can be recomputed.
 * No table holds a clock, a host name or a path.
 */

/** One row per caption that is audited. Folder: tables/candidates. Order: as in the dataset. */
export const candidateColumns = {
  /** Unique in this table; never used as a path. */
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** Position of its training picture in the dataset; null when the caption has none (held-out, a list of prompts). */
  dataset_index: nullable('INTEGER'),
  /** How often this caption's picture stands in the training set, when known. */
  copies: nullable('INTEGER'),
  /** 'duplicate' | 'template' | 'unique' | 'held-out' | 'other-twin' where the truth is known, else null. */
  role: nullable('VARCHAR'),
  /** Why the dataset could not give this row; such a row is not scored. */
  error: nullable('VARCHAR'),
} as const;
export type CandidateRow = Row<typeof candidateColumns>;

/**
 * One row per picture of an index. Folder: tables/index, with vectors/NNNNN.npy beside each shard: its rows are
 * those of the shard without `error`, in this order.
 */
export const indexColumns = {
  key: column('VARCHAR'),
  /** Position in the dataset. */
  dataset_index: column('INTEGER'),
  caption: column('VARCHAR'),
  /** Why the picture could not be read; it has no vector then. */
  error: nullable('VARCHAR'),
} as const;
export type IndexRow = Row<typeof indexColumns>;

/**
 * One row per (caption, attack). Folders: tables/scores/1 (the first step's attack and those of `alsoScore`),
 * tables/scores/2 (the second step's, on what the first one kept), … A step whose attack is one of `alsoScore` has none.
 */
export const scoreColumns = {
  key: column('VARCHAR'),
  attack: column('VARCHAR'),
  /** Higher = more likely memorized. Null when it failed. */
  score: nullable('DOUBLE'),
  /** What this attack alone costs for this caption. */
  evaluations: column('INTEGER'),
  /** Evaluations really spent on this row: attacks that share outputs pay for them once. Sums to the total. */
  spent: column('INTEGER'),
  /** Noise level of the one step. */
  sigma: column('DOUBLE'),
  /** Seeds of the noise, comma separated: '0,1,2,3'. */
  seeds: column('VARCHAR'),
  guidance: column('DOUBLE'),
  error: nullable('VARCHAR'),
} as const;
export type ScoreRow = Row<typeof scoreColumns>;

/**
 * How unusual a candidate's score is among those of captions never trained on (tables/nulls, with the columns of the scores),
 * one row per candidate. Folder: tables/significance.
 */
export const significanceColumns = {
  key: column('VARCHAR'),
  /** The attack whose scores are compared. */
  attack: column('VARCHAR'),
  score: nullable('DOUBLE'),
  /** The kind of captions that it is compared with: 'single' or 'template' for a planted set, else 'any'; and how many have a score. */
  kind: column('VARCHAR'),
  nulls: column('INTEGER'),
  /** (1 + null scores that are as high or higher) / (null scores + 1). Null, as the next two, where the score failed. */
  p_value: nullable('DOUBLE'),
  /** The smallest rate of false discoveries at which it is a discovery. */
  q_value: nullable('DOUBLE'),
  /** q_value ≤ the rate of the run's config. */
  discovery: nullable('BOOLEAN'),
  error: nullable('VARCHAR'),
} as const;
export type SignificanceRow = Row<typeof significanceColumns>;

/** What a step of the cascade kept, one row per caption. Folders: tables/selections/1, tables/selections/2, … */
export const selectionColumns = {
  /** From 1; what the last one kept is synthesized. */
  step: column('INTEGER'),
  /** The attack that decided. */
  attack: column('VARCHAR'),
  /** 1 = highest score. */
  rank: column('INTEGER'),
  key: column('VARCHAR'),
  score: column('DOUBLE'),
} as const;
export type SelectionRow = Row<typeof selectionColumns>;

/**
 * With a budget, one row per (round, step): what it was planned to take. Folder: tables/rounds. The rounds' captions follow each
 * other in the order of the tables of scores and generations.
 */
export const roundColumns = {
  /** From 1. */
  round: column('INTEGER'),
  /** A step of the cascade; the one after the last is the synthesis. */
  step: column('INTEGER'),
  /** Captions that it takes in this round. */
  captions: column('INTEGER'),
} as const;
export type RoundRow = Row<typeof roundColumns>;

/** With a budget: whether a picture is verified already, so that its caption needs no more. Folder: tables/verdicts. */
export const verdictColumns = {
  key: column('VARCHAR'),
  sample: column('INTEGER'),
  /** By the calibrated distance or the reference's; null when it failed. */
  verdict: nullable('VARCHAR'),
  error: nullable('VARCHAR'),
} as const;
export type VerdictRow = Row<typeof verdictColumns>;

/** What generate-and-filter says of a caption: one row each. Folder: tables/cliques. */
export const cliqueColumns = {
  key: column('VARCHAR'),
  /** Samples that were asked for, and those of them that failed. */
  samples: column('INTEGER'),
  failed: column('INTEGER'),
  /** Members of the largest clique that was found. */
  size: column('INTEGER'),
  /** Whether none is larger: false where the search gave up. */
  proven: column('BOOLEAN'),
  /** Of the members' pairs, values in [0, 1]; null for fewer than two members. */
  mean_distance: nullable('DOUBLE'),
  /** The smallest threshold at which there would be a clique of the size that is asked for. */
  bottleneck: nullable('DOUBLE'),
  /** 2 − mean_distance where flagged, else 1 − bottleneck. Null when it failed. */
  score: nullable('DOUBLE'),
  /** 'clique' (flagged) | 'futile' | 'exhausted' | 'failed': docs/attacks.md. */
  decision: column('VARCHAR'),
  /** The sample nearest to the other members: the extracted picture. Null where not flagged, as the next two. */
  medoid: nullable('INTEGER'),
  seed: nullable('BIGINT'),
  /** SHA-256 of its PNG in images/. */
  image: nullable('VARCHAR'),
  /** JSON [{sample, image}], ascending; image is null for those that are not kept. */
  members: column('VARCHAR'),
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type CliqueRow = Row<typeof cliqueColumns>;

/** One row per generated picture. Folder: tables/generations. (key, sample) is unique. */
export const generationColumns = {
  key: column('VARCHAR'),
  /** 0, 1, … for full syntheses; -1 for the one-step picture (steps = 1). */
  sample: column('INTEGER'),
  /** Where a generator takes none, it only tells the samples apart. */
  seed: column('BIGINT'),
  /** Null, as the next two, where a service takes none: nobody knows it. */
  steps: nullable('INTEGER'),
  sampler: nullable('VARCHAR'),
  guidance: nullable('DOUBLE'),
  /** Which generator made the noise: 'torch-cpu'; 'not reproducible' where nobody can make it again. */
  noise: column('VARCHAR'),
  /** SHA-256 of the PNG file, hex: images/<first two digits>/<sha256>.png. Null when it failed. */
  image: nullable('VARCHAR'),
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type GenerationRow = Row<typeof generationColumns>;

/**
 * What was found of each full synthesis in the training set, laid over it, before any threshold: the rules 'aligned' and
 * 'local' judge it. Folder: tables/copies.
 */
export const copyColumns = {
  key: column('VARCHAR'),
  sample: column('INTEGER'),
  image: nullable('VARCHAR'),
  /** The training picture that explains most of it, and the share that it explains. */
  training_index: nullable('INTEGER'),
  explained: nullable('DOUBLE'),
  /** The same for the caption's own pictures. */
  own_index: nullable('INTEGER'),
  own_explained: nullable('DOUBLE'),
  /** JSON {whole, part, own: {whole, part}}, each {index, transform, explained, cells}. */
  found: nullable('VARCHAR'),
  error: nullable('VARCHAR'),
} as const;
export type CopyRow = Row<typeof copyColumns>;

/** The template families that samples, or their captions' own pictures, belong to. Folder: tables/families. */
export const familyColumns = {
  family: column('VARCHAR'),
  /** The training picture that the others were compared with. */
  seed_index: column('INTEGER'),
  /** JSON: positions of all training pictures of the family, ascending. */
  members: column('VARCHAR'),
  variants: column('INTEGER'),
  /** SHA-256 of a PNG in images/, white where the variants agree. */
  mask: column('VARCHAR'),
  /** Share of the picture that varies. */
  varying: column('DOUBLE'),
  /** JSON [x, y, width, height]: the smallest box around what varies, shares of the picture. */
  box: column('VARCHAR'),
} as const;
export type FamilyRow = Row<typeof familyColumns>;

/** One row per (full synthesis, rule). Folder: tables/labels. One-step pictures are not labelled. */
export const labelColumns = {
  key: column('VARCHAR'),
  sample: column('INTEGER'),
  /** The generated picture. */
  image: nullable('VARCHAR'),
  /** 'reference' | 'calibrated' | 'aligned' | 'local' | 'descriptor': docs/labels.md. */
  rule: column('VARCHAR'),
  /** 'TV' | 'MV' | 'RV' | 'none', in the order in which they are decided; null when it failed. */
  verdict: nullable('VARCHAR'),
  /** To the training picture that the row names, in the rule's own unit; smaller is more alike. */
  distance: nullable('DOUBLE'),
  /** A verdict other than 'none' needs distance ≤ threshold ('reference': < threshold). */
  threshold: nullable('DOUBLE'),
  /** Dataset position of the training picture that decided. */
  training_index: nullable('INTEGER'),
  /** SHA-256 of that picture's PNG in images/; stored for findings, else null. */
  training_image: nullable('VARCHAR'),
  /** JSON {flip, scale, x, y}: how the training picture was laid over the generated one; null where it was not moved. */
  transform: nullable('VARCHAR'),
  /** JSON {share, box: [x, y, width, height]}, shares of the generated picture: the part that agrees; null for all of it. */
  region: nullable('VARCHAR'),
  /** SHA-256 of a PNG in images/, white where the pictures were compared (TV) or agree (local); null for everywhere. */
  mask: nullable('VARCHAR'),
  /** TV: the template family, as in tables/families. */
  family: nullable('VARCHAR'),
  /** JSON object: what else the rule saw. */
  evidence: nullable('VARCHAR'),
  error: nullable('VARCHAR'),
} as const;
export type LabelRow = Row<typeof labelColumns>;

/**
 * What somebody decided who looked at a finding: one row per call of `verbatim review`. Folder: tables/reviews. Later
 * shards are newer, and the newest review of a picture counts.
 */
export const reviewColumns = {
  key: column('VARCHAR'),
  /** Null for all samples of the caption. */
  sample: nullable('INTEGER'),
  /** 'accept' | 'reject'. */
  decision: column('VARCHAR'),
  reason: column('VARCHAR'),
  /** SHA-256 of the generated picture that was looked at; of all of them, comma separated, where `sample` is null. */
  image: column('VARCHAR'),
  error: nullable('VARCHAR'),
} as const;
export type ReviewRow = Row<typeof reviewColumns>;

/** The planted truth as seen from the audited model, one row per distinct (picture, caption). Folder: tables/truth. */
export const truthColumns = {
  key: column('VARCHAR'),
  /** 'duplicate' | 'template' | 'unique' | 'held-out'. */
  kind: column('VARCHAR'),
  /** 'A' | 'B' | 'both' | 'none': which twin was trained on it. */
  twin: column('VARCHAR'),
  /** The planted group or family; the key itself for uniques and held-outs. A reserved word in SQL: quote it. */
  group: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** The kind of picture: 'flag', 'film-poster', … */
  scene: column('VARCHAR'),
  /** How often this (picture, caption) stands in its twin's training set. */
  repeats: column('INTEGER'),
  /** How often the group's picture stands there under any caption. */
  copies: column('INTEGER'),
  picture_index: column('INTEGER'),
  /** Templates: the region that varies, pixels, JSON [x, y, width, height]. */
  region: nullable('VARCHAR'),
  /** Whether the audited twin was trained on it. */
  member: column('BOOLEAN'),
} as const;
export type TruthTableRow = Row<typeof truthColumns>;
