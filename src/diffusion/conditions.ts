import { VerbatimError } from '../errors.ts';
import { hasClasses, isUnet2dFolder, openUnet2dFolder } from '../models/index.ts';
import { isGeneratorGraph } from './generator-graph.ts';
import type { Pipeline } from './pipeline.types.ts';

/** What a model takes beside noise, from its configs alone: see `Pipeline.conditions`. */
export async function conditionsOf(path: string): Promise<Pipeline['conditions']> {
  if (isGeneratorGraph(path)) return 'none';
  if (!(await isUnet2dFolder(path))) return 'captions';
  return hasClasses((await openUnet2dFolder(path)).unet.config) ? 'classes' : 'none';
}

/**
 * Refuses guidance of a model that has no condition to guide by: both halves are the same, and each would be computed.
 *
 * @param origin what said so: '--guidance', 'synthesis.guidance'
 * @throws VerbatimError (exit code 2)
 */
export function refuseGuidance(
  name: string,
  conditions: Pipeline['conditions'],
  guidance: number | undefined,
  origin: string,
): void {
  if (conditions === 'none' && guidance !== undefined && guidance !== 1)
    throw new VerbatimError(
      `${origin} ${guidance}: ${name} is unconditional, so guidance changes nothing and doubles the cost; leave it out, or give 1`,
      { exitCode: 2 },
    );
}
