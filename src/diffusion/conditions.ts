import { hasClasses, isUnet2dFolder, openUnet2dFolder } from '../models/index.ts';
import { isGeneratorGraph } from './generator-graph.ts';
import type { Pipeline } from './pipeline.types.ts';

/** What a model takes beside noise, from its configs alone: see `Pipeline.conditions`. */
export async function conditionsOf(path: string): Promise<Pipeline['conditions']> {
  if (isGeneratorGraph(path)) return 'none';
  if (!(await isUnet2dFolder(path))) return 'captions';
  return hasClasses((await openUnet2dFolder(path)).unet.config) ? 'classes' : 'none';
}
