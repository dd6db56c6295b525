import { z } from 'zod';
import { plantedItemsSchema } from '../datasets/index.ts';

const positive = z.number().int().positive();

/** How one network is trained: AdamW, warm-up and cosine, a moving average of the weights. */
export const optimisation = (defaults: {
  steps: number;
  batchSize: number;
  learningRate: number;
  beta2: number;
}) => ({
  steps: positive.default(defaults.steps),
  batchSize: positive.default(defaults.batchSize),
  learningRate: z.number().positive().default(defaults.learningRate),
  warmupSteps: z.number().int().nonnegative().default(100),
  beta1: z.number().min(0).max(0.9999).default(0.9),
  beta2: z.number().min(0).max(0.99999).default(defaults.beta2),
  weightDecay: z.number().nonnegative().default(0),
  clipNorm: z.number().positive().default(1),
  /** Decay of the weights' moving average. */
  averageDecay: z.number().min(0).max(0.99999).default(0.998),
});

/** Puts a complaint on a key of a config, or on an element of its list. */
function complain(
  { issues }: z.core.ParsePayload,
  path: readonly PropertyKey[],
  message: string,
  input: unknown,
): void {
  issues.push({ code: 'custom', path: [...path], message, input });
}

/** Each group of a normalisation has as many channels as the others. */
export function dividedByGroups(
  payload: z.core.ParsePayload<{ blockOutChannels: number[]; normGroups: number }>,
): void {
  const { blockOutChannels, normGroups } = payload.value;
  for (const [level, channels] of blockOutChannels.entries())
    if (channels % normGroups !== 0)
      complain(
        payload,
        ['blockOutChannels', level],
        `expected a multiple of normGroups (${normGroups})`,
        channels,
      );
}

/** What every lab's config begins with. */
export const labBase = (name: string) => ({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and hyphens')
    .default(name),
  /** Everything random follows from it: pictures, plants, weights, batches, noise. */
  seed: z.number().int().nonnegative().default(1),
  source: z
    .discriminatedUnion('format', [
      z.strictObject({ format: z.literal('scenes') }),
      z.strictObject({
        format: z.literal('photographs'),
        /** A Parquet file with an image column, in Hugging Face's layout (CIFAR-10). */
        path: z.string(),
        /** Captions name these classes; the label column indexes them. */
        classes: z.array(z.string()).optional(),
        /** Side in pixels that pictures are scaled and cut to. Default: the first picture's shorter side. */
        size: z.number().int().min(8).max(1024).optional(),
      }),
    ])
    .default({ format: 'scenes' }),
});

/** How training draws its noise levels: `timestepSampler`. */
export const noiseLevels = (defaults: { share: number; mean: number; deviation: number }) => ({
  /** Noise levels: this share log-normal, the rest log-uniform up to sigma_max (facts of the lab, docs/lab.md). */
  lognormalShare: z.number().min(0).max(1).default(defaults.share),
  lognormalMean: z.number().default(defaults.mean),
  lognormalDeviation: z.number().positive().default(defaults.deviation),
});

/**
 * A lab config: which pictures, what is planted into them, and which networks are trained on them.
 * Every field has a default; the shipped twins are `models/lab.yaml`.
 */
export const labConfigSchema = z.strictObject({
  /** 'twins': two text-to-image models; 'ddpm': unconditional ones, see `ddpmLabConfigSchema`. */
  kind: z.literal('twins').default('twins'),
  ...labBase('miniature'),
  planted: plantedItemsSchema.prefault({}),
  tokenizer: z
    .strictObject({
      vocabularySize: z.number().int().min(520).max(4096).default(2048),
      /** Longest caption in tokens, begin and end included. */
      maxLength: z.number().int().min(8).max(77).default(77),
    })
    .prefault({}),
  textEncoder: z
    .strictObject({
      hiddenSize: positive.default(128),
      layers: positive.default(2),
      heads: positive.default(4),
    })
    .check((payload) => {
      const { hiddenSize, heads } = payload.value;
      if (hiddenSize % heads !== 0)
        complain(payload, ['hiddenSize'], `expected a multiple of heads (${heads})`, hiddenSize);
    })
    .prefault({}),
  vae: z
    .strictObject({
      blockOutChannels: z.array(positive).min(1).default([32, 32, 64]),
      layersPerBlock: positive.default(1),
      latentChannels: positive.default(4),
      normGroups: positive.default(16),
      /** Weight of the KL term per latent value, against the mean squared error in [−1, 1]. */
      klWeight: z.number().nonnegative().default(1e-4),
      ...optimisation({ steps: 1600, batchSize: 16, learningRate: 2e-3, beta2: 0.99 }),
    })
    .check(dividedByGroups)
    .prefault({}),
  unet: z
    .strictObject({
      blockOutChannels: z.array(positive).min(1).default([64, 128]),
      /** Which resolutions attend to the caption (and to themselves). */
      attention: z.array(z.boolean()).optional(),
      layersPerBlock: positive.default(1),
      headDim: positive.default(32),
      normGroups: positive.default(16),
    })
    .check(dividedByGroups, (payload) => {
      const { blockOutChannels, headDim, attention } = payload.value;
      for (const [level, channels] of blockOutChannels.entries())
        if (channels > headDim && channels % headDim !== 0)
          complain(
            payload,
            ['blockOutChannels', level],
            `expected at most headDim (${headDim}) or a multiple of it`,
            channels,
          );
      if (attention !== undefined && attention.length !== blockOutChannels.length)
        complain(
          payload,
          ['attention'],
          `expected a value for each of the ${blockOutChannels.length} blockOutChannels`,
          attention,
        );
    })
    .prefault({}),
  training: z
    .strictObject({
      ...optimisation({ steps: 4400, batchSize: 32, learningRate: 1e-3, beta2: 0.99 }),
      /** Share of captions replaced by the empty one, for classifier-free guidance. */
      captionDropout: z.number().min(0).max(1).default(0.1),
      ...noiseLevels({ share: 0.75, mean: -0.3, deviation: 1.3 }),
    })
    .prefault({}),
  /** Further cycles of the twins' training after `training`, each from the weights that the one before ended with. */
  restarts: z.array(z.strictObject({ steps: positive, learningRate: z.number().positive() })).default([]),
  /** The small network that says what kind of picture a sample shows. */
  classifier: z
    .strictObject({
      channels: positive.default(24),
      ...optimisation({ steps: 500, batchSize: 32, learningRate: 2e-3, beta2: 0.99 }),
    })
    .prefault({}),
  quality: z
    .strictObject({
      /** Held-out captions that are sampled to judge the models. */
      captions: positive.default(300),
      steps: positive.default(16),
      /** Samples per planted caption and twin, for what is memorized. */
      samples: positive.default(2),
      guidanceScales: z.array(z.number().min(1)).min(1).default([1, 1.5, 2, 3, 5]),
      /** Held-out captions on which the guidance scale is chosen; others than those that judge. */
      guidanceCaptions: positive.default(60),
    })
    .prefault({}),
});

export type LabConfig = z.infer<typeof labConfigSchema>;
