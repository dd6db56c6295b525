import { z } from 'zod';
import { plantedConfigSchema, plantedSet } from '../planted.ts';
import { sceneSource } from '../scenes/index.ts';
import { truthDataset, twinDataset } from '../twins.ts';
import type { DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('planted'),
  /** Seed of the scenes. */
  seed: z.number().int().nonnegative().default(1),
  planted: plantedConfigSchema.prefault({}),
  /** A twin's training set, or what neither twin saw. */
  rows: z.enum(['A', 'B', 'held-out']).default('A'),
});

/** A twin's training set over the scenes (one row per distinct picture and caption), or the held-out items. */
export const plantedFormat: DatasetFormat<typeof schema> = {
  name: 'planted',
  schema,
  open: async ({ seed, planted, rows }) => {
    const set = plantedSet(sceneSource(seed), planted);
    if (rows !== 'held-out') return twinDataset(set, rows);
    return truthDataset(set, `${set.name}-held-out`, (row) => row.kind === 'held-out');
  },
};
