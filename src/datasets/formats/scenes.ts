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

const sceneKey = (index: number) => `scene-${String(index).padStart(7, '0')}`;

/** The procedural picture set, one copy of everything: pictures 0 … count − 1 of a seed. */
export async function openScenes({ seed, count }: z.infer<typeof schema>): Promise<Dataset> {
  const source = sceneSource(seed);
  const digest = sha256(JSON.stringify([source.digest, count]));
  return {
    name: 'scenes',
    digest,
    size: count,
    format: 'scenes',
    shards: [{ name: 'scenes', from: 0, to: count, digest }],
    problems: [],
    hasPictures: true,
    async *rows(from, to) {
      const [start, end] = clampRange(count, from, to);
      for (let index = start; index < end; index++) {
        yield {
          index,
          key: sceneKey(index),
          caption: source.describe(index).caption,
        };
      }
    },
    async picture(index) {
      checkIndex('scenes', index, count);
      return source.picture(index);
    },
    async find(key) {
      const index = Number(/^scene-(\d{7,})$/.exec(key)?.[1] ?? Number.NaN);
      return index < count && sceneKey(index) === key ? index : undefined;
    },
    close: async () => {},
  };
}

export const scenesFormat: DatasetFormat<typeof schema> = { name: 'scenes', schema, open: openScenes };
