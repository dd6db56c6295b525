import { resolve } from 'node:path';
import { type PictureSource, photographSource, sceneSource } from '../datasets/index.ts';
import type { LabConfig } from './config.ts';

/** The pictures that a lab config names. A relative path of photographs is taken from `base`. */
export async function openLabSource(
  { source, seed }: Pick<LabConfig, 'source' | 'seed'>,
  base = '.',
): Promise<PictureSource> {
  return source.format === 'scenes'
    ? sceneSource(seed)
    : photographSource({ ...source, path: resolve(base, source.path), seed });
}
