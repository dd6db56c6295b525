import {
  createImageSubject,
  createSubject,
  type PreparedAttack,
  requireAccess,
  type Subject,
} from '../attacks/index.ts';
import { VerbatimError } from '../errors.ts';
import { auditNoise, type Generator, requireCapabilities } from '../generators/index.ts';
import { isPicture } from '../images/index.ts';
import type { NamedAttack } from './attack-list.ts';
import type { AuditConfig } from './config.ts';

/**
 * What attacks are run on: the network of a local pipeline, or the one-step pictures of anything else. Where a picture
 * of a batch is missing the batch throws, so that its captions are tried alone and each row has its own reason; what a
 * service has answered is not asked again for that.
 */
export function subjectOf(
  generator: Generator,
  { synthesis }: Pick<AuditConfig, 'synthesis'>,
  signal?: AbortSignal,
): Subject {
  if (generator.pipeline !== undefined) return createSubject(generator.pipeline, { noise: auditNoise });
  return createImageSubject({
    name: generator.name,
    onestep: async (captions, seed, guidance) => {
      const tasks = captions.map((caption) => ({ caption, seed }));
      const settings = { steps: 1, sampler: synthesis.sampler, guidance, firstSeed: seed };
      const made = await generator.pictures(tasks, settings, signal);
      return made.map(({ picture }) => {
        if (isPicture(picture)) return picture;
        throw picture;
      });
    },
  });
}

/** Whether attacks that work with pictures can be run on it. */
export function givesOneStepPictures({ capabilities }: Pick<Generator, 'capabilities'>): boolean {
  return capabilities.seeds && capabilities.oneStep && capabilities.guidance;
}

/**
 * Refuses attacks that the generator cannot serve, with what to do instead, before the first request.
 *
 * @throws VerbatimError (exit code 2)
 */
export function requireAttacks(
  generator: Generator,
  attacks: readonly { readonly label: string; readonly attack: PreparedAttack }[],
  config: Pick<AuditConfig, 'synthesis'>,
): void {
  if (generator.pipeline !== undefined) {
    const subject = subjectOf(generator, config);
    for (const { attack } of attacks) requireAccess(attack, subject);
    return;
  }
  const none = 'set cascade to []: all candidates are then generated, as many as candidates.limit allows';
  for (const { label, attack } of attacks) {
    if (attack.access !== 'image')
      throw new VerbatimError(
        `attack "${label}" needs the ${attack.access === 'denoiser' ? 'denoiser' : 'noise'}, but the generator "${generator.kind}" gives only pictures; ${givesOneStepPictures(generator) ? 'use ecs, which needs one-step pictures by seed' : none}`,
        { exitCode: 2 },
      );
    requireCapabilities(`attack "${label}"`, ['seeds', 'oneStep', 'guidance'], generator, none);
  }
}

/** Stable Diffusion's largest noise level; models of its kind end below 200. */
const usualSigmaMax = 14.6;
const farSigmaMax = 200;

/**
 * What a user must know before attacks at the default noise level are run on a model that begins far out, such as DeepFloyd
 * IF with σ = 20,291: one step multiplies the error of its ε by σ. Undefined where there is nothing to say.
 */
export function farNoiseWarning(
  sigmaMax: number | undefined,
  attacks: readonly NamedAttack[],
): string | undefined {
  if (sigmaMax === undefined || sigmaMax <= farSigmaMax) return undefined;
  // Attacks without the option always look at the largest level.
  const far = attacks.filter(({ attack }) => (attack.options['sigma'] ?? 'max') === 'max');
  if (far.length === 0) return undefined;
  const labels = far.map(({ label }) => label).join(', ');
  return `${labels}: one step from this model's largest noise, σ ${Math.round(sigmaMax)}, says little; give a level of Stable Diffusion's, as in {attack: dcs, options: {sigma: ${usualSigmaMax}}} (docs/models.md)`;
}
