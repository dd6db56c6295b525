import { column, nullable, type Row } from '../../tables/index.ts';

/** One row per picture that is asked about. Folder: tables/pictures. */
export const pictureColumns = {
  /** Counted from 0: what the other tables call it by. */
  picture: column('INTEGER'),
  /** Its row in the pool of a lab, or in the dataset of members or of non-members. */
  source: column('INTEGER'),
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** Whether the target, or the first of several, was trained on it. */
  member: column('BOOLEAN'),
  /** How often it stands in that target's training set, 0 for non-members; null where nobody knows. */
  copies: nullable('INTEGER'),
  /** Its row in the shadows' pool; null where it is not in it, or there are no shadows. */
  pool: nullable('INTEGER'),
  /** SHA-256 over size and pixels. */
  pixels: nullable('VARCHAR'),
  /** Why it is left out. */
  error: nullable('VARCHAR'),
} as const;
export type PictureRow = Row<typeof pictureColumns>;

/** A picture as one target is asked about it: member and copies are that target's. */
export interface AskedRow extends PictureRow {
  readonly target: string;
}

/** One row per loss. Folder: tables/losses. */
export const lossColumns = {
  model: column('VARCHAR'),
  picture: column('INTEGER'),
  timestep: column('INTEGER'),
  /** Whether it is that of the mirrored picture. */
  flip: column('BOOLEAN'),
  /** The seed of its noise, the same for all pictures and models. */
  draw: column('INTEGER'),
  /** mean((ε − ε̂)²). */
  loss: nullable('DOUBLE'),
  /** 1; 0 where the model could not be asked. */
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type LossRow = Row<typeof lossColumns>;

/** One row per completion of a masked picture. Folder: tables/completions. */
export const completionColumns = {
  picture: column('INTEGER'),
  /** From 0. The seed of its noise, the same for all pictures, is that many behind the draws of the loss. */
  completion: column('INTEGER'),
  /** The model's own denoising loss of what it made. */
  loss: nullable('DOUBLE'),
  /** √(mean (a − b)²) over the masked region between it and the picture, values in [0, 1]. */
  distance: nullable('DOUBLE'),
  /** The same distance for a plain fill: the region in the mean colour of the rest. One for all completions of a picture. */
  fill: nullable('DOUBLE'),
  /** SHA-256 of the surest one of each picture, in images/. */
  image: nullable('VARCHAR'),
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type CompletionRow = Row<typeof completionColumns>;

/** One row per target, picture and attack. Folder: tables/membership. */
export const membershipColumns = {
  /** Which model was attacked. */
  target: column('VARCHAR'),
  picture: column('INTEGER'),
  /** Whether the target was trained on it. */
  member: column('BOOLEAN'),
  copies: nullable('INTEGER'),
  attack: column('VARCHAR'),
  /** Higher means member; null where the attack cannot say, or the picture is left out. */
  score: nullable('DOUBLE'),
  /** Why the picture is left out, as in the table of pictures. */
  error: nullable('VARCHAR'),
} as const;
export type MembershipRow = Row<typeof membershipColumns>;

/** The members with the highest scores of `exposingAttack`. Folder: tables/exposed. */
export const exposedColumns = {
  /** From 1. */
  rank: column('INTEGER'),
  /** The model that gives it away. */
  target: column('VARCHAR'),
  picture: column('INTEGER'),
  /** Whose scores these are: one attack for all rows. */
  attack: column('VARCHAR'),
  score: column('DOUBLE'),
  /** Non-members with as high a score or a higher one. */
  non_members_above: column('INTEGER'),
  /** SHA-256 of the picture, in images/. */
  image: nullable('VARCHAR'),
  /** Of the inpainting attack: the model's surest completion. */
  completion: nullable('VARCHAR'),
} as const;
export type ExposedRow = Row<typeof exposedColumns>;
