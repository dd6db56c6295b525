import type { MadePicture, PictureTask } from '../generators/index.ts';
import type { AuditConfig } from './config.ts';
import type { ModelInput } from './flow.ts';
import { rethrowFatal } from './stage.ts';

/** A picture with what it cost, or why there is none; `thrown`: nothing was computed to the end. */
export type Made = MadePicture | { readonly thrown: unknown };

/**
 * Makes pictures with the synthesis settings of the config. When a batch throws, its pictures are tried one by one, so that
 * one bad caption costs its own rows only. A picture that is not a number fails alone as it is: nothing is computed again.
 *
 * @param tasks as many as the generator takes together at most
 * @throws what the whole run must stop for
 */
export async function makePictures(
  input: Pick<ModelInput, 'config' | 'generator' | 'signal'>,
  tasks: readonly PictureTask[],
  steps: number,
): Promise<Made[]> {
  const { config, generator, signal } = input;
  const { synthesis } = config;
  const settings = {
    steps,
    sampler: synthesis.sampler,
    guidance: synthesis.guidance ?? generator.guidance,
    firstSeed: synthesis.seed,
  };
  try {
    return [...(await generator.pictures(tasks, settings, signal))];
  } catch (error) {
    rethrowFatal(error, signal);
    if (tasks.length === 1) return [{ thrown: error }];
    const made: Made[] = [];
    for (const task of tasks) made.push(...(await makePictures(input, [task], steps)));
    return made;
  }
}

/** The seed of a caption's sample; the one-step picture, sample -1, has the first one's. */
export function seedOf(synthesis: AuditConfig['synthesis'], sample: number): number {
  return synthesis.seed + Math.max(0, sample);
}

/** How a sample is made, as its row says it. What a generator cannot be told is null: nobody knows it. */
export function makingOf({ config, generator }: Pick<ModelInput, 'config' | 'generator'>, sample: number) {
  const { synthesis } = config;
  const { capabilities } = generator;
  return {
    seed: BigInt(seedOf(synthesis, sample)),
    steps: capabilities.steps ? (sample < 0 ? 1 : synthesis.steps) : null,
    // One step of Heun's method is Euler's.
    sampler: capabilities.sampler ? (sample < 0 ? 'euler' : synthesis.sampler) : null,
    guidance: capabilities.guidance ? (synthesis.guidance ?? generator.guidance) : null,
    noise: generator.noise,
  };
}
