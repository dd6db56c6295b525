import type { Mask, Picture } from '../images/index.ts';

export type Verdict = 'MV' | 'RV' | 'TV' | 'none';
/** How generated and training pictures are compared: docs/labels.md. */
export type Rule = 'reference' | 'calibrated' | 'aligned' | 'local' | 'descriptor';

/**
 * How a training picture is laid over a generated one: mirrored left to right where `flip`, scaled about its
 * middle, then moved. `x` and `y` are shares of the width and the height, to the right and down.
 */
export interface Transform {
  readonly flip: boolean;
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** A part of the generated picture. */
export interface Region {
  /** Share of the picture's area that agrees. */
  readonly share: number;
  /** The smallest box around it: x, y, width, height as shares of the picture's width and height. */
  readonly box: readonly [number, number, number, number];
}

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

/** A picture that a rule compared with, and what came of it. */
export interface Compared {
  /** Position in the training set; null for a picture that is not in it. */
  readonly index: number | null;
  /** SHA-256 of its stored PNG. */
  readonly image?: string | null;
  /** In the rule's own unit. */
  readonly distance?: number;
  /** 'aligned': the share of the generated picture that it explains. */
  readonly explained?: number;
}

/** What else a rule saw, for the reader of a label. */
export interface Evidence {
  /** The nearest of the caption's own pictures. */
  readonly own?: Compared;
  /** The nearest picture of the whole training set. */
  readonly nearest?: Compared;
  /** The nearest template, its distance where the variants agree, and that over the distance to what else is near. */
  readonly template?: { readonly family: string; readonly distance: number; readonly ratio?: number };
  /** Standard deviation of the generated picture's values in [0, 1]: low for plain and blurred pictures. */
  readonly deviation?: number;
  /** 'local': nats per cell of the picture. */
  readonly score?: number;
  /** 'local': the share of the whole picture that the same training picture explains. */
  readonly explained?: number;
  /** 'descriptor': cosine or split-product, −1 to 1. */
  readonly similarity?: number;
  /** 'descriptor': 'duplicate' above .95, 'copy' above .75, 'similar' above .5, else 'none'. */
  readonly level?: string;
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
  /** Null where the training picture was not moved. */
  readonly transform: Transform | null;
  /** Null for the whole picture. */
  readonly region: Region | null;
  /** Where the pictures were compared (TV) or agree (local); null for everywhere. */
  readonly mask: Mask | null;
  /** The template family of a TV. */
  readonly family: string | null;
  readonly evidence: Evidence | null;
  readonly error: string | null;
}
