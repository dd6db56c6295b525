/** How two items were found to be alike. The order is from strict to loose. */
export const levels = ['file', 'perceptual', 'descriptor', 'tiles', 'caption'] as const;
export type Level = (typeof levels)[number];

/** Pairs of items, column by column: item `a[i]` is like item `b[i]`, by `score[i]`. */
export interface Edges {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  /** Exact, and in the level's own unit: differing bits, a cosine, a share of words. */
  readonly score: Float64Array;
}

/** Items that belong together, each group's in ascending order, groups in the order of their first items. */
export interface Groups {
  readonly count: number;
  /** Where each group begins in `members`; one more than there are groups. */
  readonly offsets: Uint32Array;
  readonly members: Uint32Array;
}

/** How groups are made of edges: by chains of them, or so that each pair of a group is alike. */
export const linkages = ['single', 'complete'] as const;
export type Linkage = (typeof linkages)[number];

/** Which items of a group are kept: docs/dedup.md. */
export const keepRules = ['first', 'largest', 'centroid', 'semdedup'] as const;
export type KeepRule = (typeof keepRules)[number];
