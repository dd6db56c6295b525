import { z } from 'zod';
import { attackNames } from '../attacks/index.ts';

const positive = z.int().positive();
const attackName = z.enum(attackNames as readonly [string, ...string[]]);

/** What a step keeps that does not say. */
export const defaultKeep = 100;

const attackKeys = {
  attack: attackName.describe('Its name.'),
  as: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]*$/, 'a name of lower-case letters, digits, dots and hyphens')
    .optional()
    .describe('What the tables and the report call it; needed when one attack is used twice.'),
  options: z.record(z.string(), z.unknown()).default({}).describe('seeds, sigma, guidance, …'),
};

/** An attack as configs and the command line name it. */
export const attackSchema = z
  .union([attackName.describe('An attack by its name, with its own defaults.'), z.strictObject(attackKeys)])
  .describe('An attack: a name, or {attack, as, options}.');

/** A step that scores the captions which come to it, and lets the best go on. */
const attackStepSchema = z
  .strictObject({
    ...attackKeys,
    keep: positive
      .optional()
      .describe(
        `At most so many captions go on: those with the highest scores. Default ${defaultKeep}; with budget it is planned.`,
      ),
    budget: positive
      .optional()
      .describe(
        'At most so many evaluations: it then scores only as many of the best captions of the step before as that pays for.',
      ),
  })
  .describe('A step: {attack, as, options, keep, budget}.');

/** A step that generates many samples of each caption, and lets those go on whose samples are one picture. */
const cliquesStepSchema = z
  .strictObject({
    attack: z.literal('cliques').describe('Generate and filter (Carlini et al. 2023).'),
    as: attackKeys.as,
    options: attackKeys.options.describe('samples, clique, threshold, tiles, sequential, searchLimit.'),
    keep: positive
      .default(100)
      .describe('At most so many of the flagged captions go on: those whose samples are most alike.'),
  })
  .describe('A step: {attack: cliques, as, options, keep}.');

/** One step of the cascade, of any kind. */
export const cascadeStepSchema = z.discriminatedUnion('attack', [attackStepSchema, cliquesStepSchema]);

/** The steps from all candidates to those that are synthesized. */
export const cascadeSchema = z
  .array(cascadeStepSchema)
  .optional()
  .describe(
    'The steps, the cheapest first: each scores what the one before has kept. What the last one keeps is synthesized; [] synthesizes every caption. Default: dcs keeps 500, ecs 100; with a generator ecs where it serves, else []; with budget noise-difference.',
  );

/** The steps of a config that names none. */
export const defaultCascade: readonly CascadeStepConfig[] = [
  { attack: 'dcs', options: {}, keep: 500 },
  { attack: 'ecs', options: {}, keep: 100 },
];

/**
 * Those of a config with a budget: one unguided evaluation per caption, whose unconditional half all captions share. Of the
 * scores at that price it is the one that is published for full-size models (Wen et al. 2024).
 */
export const budgetCascade: readonly CascadeStepConfig[] = [{ attack: 'noise-difference', options: {} }];

export type AttackConfig = z.output<typeof attackSchema>;
export type AttackStepConfig = z.output<typeof attackStepSchema>;
export type CliquesStepConfig = z.output<typeof cliquesStepSchema>;
export type CascadeStepConfig = z.output<typeof cascadeStepSchema>;

export function isCliquesStep(step: CascadeStepConfig): step is CliquesStepConfig {
  return step.attack === 'cliques';
}
