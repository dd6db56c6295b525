import type { Picture } from '../images/index.ts';

export type Verdict = 'MV' | 'RV' | 'TV' | 'none';
export type Rule = 'reference' | 'calibrated';

/** Pictures that can be read one by one: a training set. Positions run from 0 to size − 1. */
export interface PictureCollection {
  readonly size: number;
  /** Throws when the picture cannot be read. */
  picture(index: number): Promise<Picture>;
}

/**
 * A picture that belongs to a caption. For a caption that the model was trained on it is a training
 * picture; for a caption that the model never saw it is the picture that the caption was written for,
 * which makes a match there a false positive.
 */
export interface OwnPicture {
  /** Position in the training set; null when the model was not trained on it. */
  readonly index: number | null;
  /** SHA-256 of its stored PNG, hex; null when it is not stored. */
  readonly image: string | null;
  readonly picture: Picture;
}

/** One generated picture to be judged. */
export interface GeneratedPicture {
  readonly key: string;
  readonly sample: number;
  /** SHA-256 of the stored PNG, hex; null when the generation failed. */
  readonly image: string | null;
  readonly picture: Picture | null;
  /** Why there is no picture. */
  readonly error?: string;
  readonly own: readonly OwnPicture[];
}

/** What else a rule saw, for the reader of a label. Distances in the rule's own unit. */
export interface Evidence {
  /** The nearest of the caption's own pictures. */
  readonly own?: { readonly index: number | null; readonly image: string | null; readonly distance: number };
  /** The nearest picture of the whole training set ('calibrated' only). */
  readonly nearest?: { readonly index: number; readonly distance: number };
  /** The nearest training picture is within the threshold and the caption's own is not. */
  readonly retrieval?: boolean;
  /** Standard deviation of the generated picture's values in [0, 1]: low for plain and blurred pictures. */
  readonly deviation: number;
}

/** One row of the labels table, by one rule. `null` as in the table. */
export interface Label {
  readonly key: string;
  readonly sample: number;
  readonly image: string | null;
  readonly rule: Rule;
  readonly verdict: Verdict | null;
  /** To the picture that `trainingIndex` and `trainingImage` name. */
  readonly distance: number | null;
  readonly threshold: number | null;
  readonly trainingIndex: number | null;
  readonly trainingImage: string | null;
  readonly evidence: Evidence | null;
  readonly error: string | null;
}
