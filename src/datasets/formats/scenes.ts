import { z } from 'zod';
import { sha256 } from '../../tables/index.ts';
import { sceneSource } from '../scenes/index.ts';
import type { Dataset } from '../types.ts';
import { checkIndex, clampRange, type DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('scenes'),
  seed: z.number().int().nonnegative().default(1),
  /** How many pictures. */
  count: z.number().int().positive().default(1000),
});

/** The procedural picture set, one copy of everything: pictures 0 … count − 1 of a seed. */
export async function openScenes({ seed, count }: z.infer<typeof schema>): Promise<Dataset> {
  const source = sceneSource(seed);
  return {
    name: 'scenes',
    digest: sha256(JSON.stringify([source.digest, count])),
    size: count,
    async *rows(from, to) {
      const [start, end] = clampRange(count, from, to);
      for (let index = start; index < end; index++) {
        yield {
          index,
          key: `scene-${String(index).padStart(7, '0')}`,
          caption: source.describe(index).caption,
        };
      }
    },
    async picture(index) {
      checkIndex('scenes', index, count);
      return source.picture(index);
    },
    close: async () => {},
  };
}

export const scenesFormat: DatasetFormat<typeof schema> = { name: 'scenes', schema, open: openScenes };
