import { basename, resolve } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { hasClasses, isUnet2dFolder, openUnet2dFolder } from '../models/index.ts';
import { isGeneratorGraph } from './generator-graph.ts';
import type { Pipeline } from './pipeline.types.ts';
import { readConditions } from './pipeline-unet2d.ts';

/** What a model takes beside noise, from its configs alone: see `Pipeline.conditions`. */
export async function conditionsOf(path: string): Promise<Pipeline['conditions']> {
  if (isGeneratorGraph(path)) return 'none';
  if (!(await isUnet2dFolder(path))) return 'captions';
  return hasClasses((await openUnet2dFolder(path)).unet.config) ? 'classes' : 'none';
}

/**
 * The classes that a class-conditional model takes as captions, in words, from its configs alone:
 * 'labels from 0 to 4, or names: "cat", "dog", …'.
 *
 * @throws VerbatimError naming the file and key that cannot be read
 */
export async function classesInWords(path: string): Promise<string> {
  const { count, settings } = readConditions(await openUnet2dFolder(path), basename(resolve(path)));
  const labels = count === undefined ? 'labels from 0' : `labels from 0 to ${count - 1}`;
  const first = settings.classes.slice(0, 5).map((name) => JSON.stringify(name));
  if (first.length === 0) return labels;
  return `${labels}, or names: ${first.join(', ')}${settings.classes.length > first.length ? ', …' : ''}`;
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
