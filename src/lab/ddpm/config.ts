import { z } from 'zod';
import { dividedByGroups, labBase, labConfigSchema, noiseLevels, optimisation } from '../config.ts';

const positive = z.number().int().positive();
const count = z.number().int().nonnegative();

/**
 * A lab of unconditional models: which photographs, what is planted among them, how many shadow models. Every field has a
 * default but `kind`.
 */
export const ddpmLabConfigSchema = z.strictObject({
  kind: z.literal('ddpm'),
  ...labBase('ddpm'),
  /** Pictures that `target` and `deduplicated` are trained on, one copy each, beside what is planted. */
  members: positive.default(5000),
  /** Pictures that neither has seen. Members and these together are what shadow models draw their halves from. */
  heldOut: positive.default(5000),
  planted: z
    .strictObject({
      /** How often planted pictures stand in the training set of `target`; in that of `deduplicated` once. */
      copyCounts: z.array(z.number().int().min(2)).default([5, 10, 20, 50]),
      picturesPerCopyCount: count.default(25),
    })
    .prefault({}),
  /** Models trained on random halves, in complementary pairs: every picture is in exactly one half of them. */
  shadows: count
    .refine((shadows) => shadows % 2 === 0, 'expected an even number: shadows come in complementary pairs')
    .default(8),
  unet: z
    .strictObject({
      blockOutChannels: z.array(positive).min(1).default([32, 64, 128]),
      /** Which resolutions attend to the picture itself. */
      attention: z.array(z.boolean()).default([false, false, true]),
      layersPerBlock: positive.default(1),
      headDim: positive.default(32),
      normGroups: positive.default(16),
    })
    .check(dividedByGroups, (payload) => {
      const { attention, blockOutChannels, headDim } = payload.value;
      for (const [level, channels] of blockOutChannels.entries()) {
        // The block in the middle, of the last resolution's channels, always attends.
        const attends = attention[level] === true || level === blockOutChannels.length - 1;
        if (attends && channels % headDim !== 0)
          payload.issues.push({
            code: 'custom',
            path: ['headDim'],
            message: `expected a divisor of the ${channels} channels of resolution ${level + 1}, which attends`,
            input: headDim,
          });
      }
      if (attention.length !== blockOutChannels.length)
        payload.issues.push({
          code: 'custom',
          path: ['attention'],
          message: `expected a value for each of the ${blockOutChannels.length} blockOutChannels`,
          input: attention,
        });
    })
    .prefault({}),
  training: z
    .strictObject({
      ...optimisation({ steps: 5300, batchSize: 32, learningRate: 1e-3, beta2: 0.99 }),
      ...noiseLevels({ share: 0.8, mean: -0.8, deviation: 1.3 }),
      /** Shows every picture mirrored half of the time. */
      flips: z.boolean().default(false),
    })
    .prefault({}),
});

/** Any lab's config, as editors check it: `kind` tells which. One without it is of twins. */
export const anyLabConfigSchema = z.union([labConfigSchema, ddpmLabConfigSchema]);

export type DdpmLabConfig = z.infer<typeof ddpmLabConfigSchema>;
