import { z } from 'zod';
import { keepRules, type Level, levels, linkages } from '../../dedup/index.ts';
import { mostProbes } from '../../search/index.ts';

/** What `verbatim dedup` is asked for: every default is written here once. */
export const dedupConfigSchema = z.strictObject({
  levels: z
    .array(z.enum(levels))
    .min(1)
    .optional()
    .describe(
      'How items are compared. Default: file and perceptual; what the dataset has, where it has no pictures.',
    ),
  descriptor: z.string().default('pixels').describe('Level `descriptor`: what describes a picture.'),
  dtype: z
    .enum(['float32', 'float16'])
    .default('float16')
    .describe('How descriptions are kept: float16 halves the disk and costs about 3 digits.'),
  radius: z.int().min(0).max(32).default(4).describe('Level `perceptual`: bits of 64 that may differ.'),
  threshold: z.number().gt(0).max(1).default(0.95).describe('Level `descriptor`: the least cosine.'),
  tileRadius: z
    .int()
    .min(0)
    .max(32)
    .default(10)
    .describe('Level `tiles`: bits of 64 that a part may differ in to be looked at.'),
  tileThreshold: z
    .number()
    .gt(0)
    .max(1)
    .default(0.97)
    .describe('Level `tiles`: the least correlation of the pixels of a part and of a whole picture.'),
  captionThreshold: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'Level `caption`: the least share of common words (Jaccard); 1 is the same caption but for case and spaces.',
    ),
  families: z
    .boolean()
    .default(false)
    .describe('Look for template-like families: the same but for a region.'),
  linkage: z.enum(linkages).default('single'),
  keep: z.enum(keepRules).default('largest'),
  cells: z.int().min(1).optional().describe('k-means cells; default: by the number of vectors.'),
  probes: z
    .int()
    .min(1)
    .max(mostProbes)
    .default(mostProbes)
    .describe('Cells in which neighbours of a vector are looked for at most.'),
  top: z.int().min(0).default(1000).describe('How many of the most duplicated captions are listed.'),
  shardSize: z.int().min(1).max(100_000).default(4096).describe('Items per shard: what a kill can cost.'),
});

export type DedupConfig = z.output<typeof dedupConfigSchema>;
/** With the levels that fit the dataset. */
export type ResolvedDedupConfig = DedupConfig & { readonly levels: readonly Level[] };

/** Keys that decide what is kept of each item: a folder goes on only with the same. */
export const itemKeys = ['descriptor', 'dtype', 'families', 'shardSize'] as const;
/** Keys that decide which edges there are: with others, edges are made anew of the same items. */
export const edgeKeys = [
  'radius',
  'threshold',
  'tileRadius',
  'tileThreshold',
  'captionThreshold',
  'cells',
  'probes',
] as const;
