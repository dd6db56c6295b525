import { z } from 'zod';
import { datasetFormats } from '../datasets/index.ts';
import { type SamplerName, samplerNames } from '../diffusion/index.ts';
import { generatorSchema } from '../generators/index.ts';
import {
  attackSchema,
  budgetCascade,
  type CascadeStepConfig,
  cascadeSchema,
  defaultCascade,
} from './cascade-schema.ts';

const count = z.int().nonnegative();
const positive = z.int().positive();
const seed = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const labSetSchema = z.strictObject({
  format: z.literal('lab').describe('A planted set whose truth is known.'),
  path: z.string().describe('The lab config that the twins were trained from (YAML).'),
  twin: z.enum(['A', 'B']).describe('The twin that is audited.'),
});

/** Where pictures and captions come from: a lab's planted set, any format of the datasets, or a path alone. */
export const auditDatasetSchema = z
  .union([
    z.string().meta({ title: 'a path', description: 'A file or folder; its format is found by looking.' }),
    z.discriminatedUnion('format', [
      labSetSchema,
      ...datasetFormats.map(({ schema }) => schema as z.ZodObject<{ format: z.ZodLiteral<string> }>),
    ]),
  ])
  .describe('The training set.');

const roleLimits = z
  .strictObject({
    duplicate: count.optional(),
    template: count.optional(),
    unique: count.optional(),
    'held-out': count.optional(),
    'other-twin': count.optional(),
  })
  .describe('Only where the truth is known: at most so many captions of each role, drawn with `seed`.');

const auditConfigObject = z.strictObject({
  $schema: z.string().optional().describe('For editors; ignored.'),
  model: z
    .string()
    .optional()
    .describe(
      'The model: a diffusers folder, its ONNX export, or a single-file .safetensors checkpoint. Or give `generator`.',
    ),
  alsoModels: z
    .array(z.string())
    .default([])
    .describe(
      'Further models that are audited over the same candidates, each in a folder of its own in `output`: docs/transfer.md.',
    ),
  tokenizer: z
    .string()
    .optional()
    .describe(
      "A folder with CLIP's vocab.json and merges.txt, for a single-file checkpoint that has none beside it.",
    ),
  generator: generatorSchema.optional(),
  dataset: auditDatasetSchema,
  output: z.string().default('runs/audit').describe('The run folder. The same config goes on in it.'),
  seed: seed.default(0).describe('Draws the candidates where a limit cuts them.'),
  candidates: z
    .strictObject({
      from: z
        .string()
        .optional()
        .describe(
          'A folder that `verbatim dedup` made of this dataset: its most duplicated captions, in that order.',
        ),
      outliers: z
        .string()
        .optional()
        .describe(
          'A folder that `verbatim index` made of this dataset: the captions of its most outlying pictures first.',
        ),
      neighbours: positive
        .optional()
        .describe(
          'With `outliers`: the neighbour to which a picture’s distance is taken. Default 1, the nearest.',
        ),
      limit: positive
        .optional()
        .describe('At most so many captions, drawn with `seed`; of `from` and `outliers` the first ones.'),
      roles: roleLimits.optional(),
    })
    .refine(({ from, outliers }) => from === undefined || outliers === undefined, {
      path: ['outliers'],
      error: 'stands beside from; leave one of the two out',
    })
    .refine(({ neighbours, outliers }) => neighbours === undefined || outliers !== undefined, {
      path: ['neighbours'],
      error: 'goes with outliers',
    })
    .prefault({})
    .describe('Which captions are audited; all distinct ones by default.'),
  budget: positive
    .optional()
    .describe(
      'Spend so many evaluations where they find most: plans what each step of the cascade keeps, and the synthesis. Without keep or budget in cascade.',
    ),
  cascade: cascadeSchema,
  alsoScore: z
    .array(attackSchema)
    .default([])
    .describe('Attacks that score what the first step scores too, for comparison; they select nothing.'),
  significance: z
    .strictObject({
      neverTrained: auditDatasetSchema
        .optional()
        .describe(
          'A dataset of captions that the model was never trained on, of the same kind as the audited ones. A lab set makes its own.',
        ),
      captions: positive
        .default(2000)
        .describe('How many of them are scored: more give smaller p-values. Drawn with `seed`.'),
      attack: z
        .string()
        .optional()
        .describe('The attack whose scores are compared, one that scores every caption; default: the first.'),
      rate: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.05)
        .describe(
          'The rate of false discoveries: the expected share of wrong ones among what is called a discovery.',
        ),
      dependence: z
        .enum(['positive', 'any'])
        .default('positive')
        .describe(
          'What the rate holds for: p-values that depend on each other positively, as those of different captions do, or in any way (fewer discoveries).',
        ),
    })
    .optional()
    .describe('How sure the scores are: p-values and rates of false discoveries (docs/significance.md).'),
  synthesis: z
    .strictObject({
      steps: positive.max(1000).optional().describe('Default 16; with budget 4.'),
      samples: positive
        .max(1000)
        .optional()
        .describe('Pictures per caption, each with its own seed; with budget at most so many. Default 4.'),
      seed: seed
        .default(0)
        .describe('Seed of the first sample; the next ones count up. Shared by all captions.'),
      sampler: z
        .enum(samplerNames as readonly [SamplerName, ...SamplerName[]])
        .optional()
        .describe('Default heun; with budget dpmpp-2m.'),
      guidance: z
        .number()
        .min(0)
        .max(100)
        .optional()
        .describe('Default: the scale stored with the model; with budget 1, which is unguided.'),
    })
    .prefault({}),
  labels: z
    .strictObject({
      rules: z
        .array(z.enum(['reference', 'calibrated', 'aligned', 'local']))
        .min(1)
        .default(['reference', 'calibrated', 'aligned', 'local'])
        .describe('How pictures are compared: docs/labels.md. All but `reference` need held-out pictures.'),
      referenceThreshold: z
        .number()
        .positive()
        .default(2500)
        .describe('Webster’s: the sum of squared differences at 256×256, values in [0, 1].'),
      quantile: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.001)
        .describe('The share of unrelated pictures that each rule may label, but for `reference`.'),
      heldOut: auditDatasetSchema
        .optional()
        .describe(
          'Pictures that the model never saw, for all rules but `reference`. A lab set brings its own.',
        ),
      descriptor: z
        .strictObject({
          index: z.string().describe('An index of the training set, made by `verbatim index`.'),
          network: z.string().optional().describe('The exported network (ONNX) that it was made with.'),
          threshold: z
            .number()
            .gt(-1)
            .lt(1)
            .default(0.75)
            .describe('Similarity above which a picture is a copy; .5 for objects, .95 for duplicates.'),
        })
        .optional()
        .describe('Adds the rule `descriptor`: similarity by a network, for what pixels cannot see.'),
    })
    .prefault({}),
  provider: z.enum(['auto', 'cpu', 'webgpu', 'cuda']).default('cpu').describe('What runs the model.'),
  precision: z
    .enum(['float32', 'float16'])
    .default('float32')
    .describe('What the denoiser computes in; float16 only with webgpu or cuda.'),
  threads: positive.max(1024).optional().describe('Default: the number of cores. Does not change results.'),
  batch: positive.max(1024).default(16).describe('Captions that are computed together.'),
  shardSize: positive.max(100_000).default(256).describe('Captions per shard: what a kill can cost at most.'),
  maxEvaluations: positive.optional().describe('Refuse to start when the plan may cost more.'),
});

/**
 * The config of `verbatim audit`. Every default is written here once; schema/audit.schema.json is made
 * from it.
 */
export const auditConfigSchema = auditConfigObject
  .refine(({ model, generator }) => model !== undefined || generator !== undefined, {
    path: ['model'],
    error: 'give model, or generator',
  })
  .refine(({ model, generator }) => model === undefined || generator === undefined, {
    path: ['generator'],
    error: 'stands beside model; leave one of the two out',
  })
  .refine(
    ({ budget, cascade = [] }) =>
      budget === undefined ||
      cascade.every((step) => step.keep === undefined && !('budget' in step && step.budget !== undefined)),
    {
      path: ['cascade'],
      error:
        'budget plans what each step keeps; leave out its keep and budget (and a step of cliques), or budget',
    },
  )
  .refine(
    ({ budget, cascade, alsoScore }) =>
      budget === undefined || !(cascade?.length === 0 || alsoScore.length > 0),
    {
      path: ['budget'],
      error: 'goes with at least one step in cascade, and without alsoScore',
    },
  )
  .refine(
    ({ cascade = [], significance }) =>
      significance === undefined ||
      cascade[0] === undefined ||
      !('budget' in cascade[0]) ||
      cascade[0].budget === undefined,
    {
      path: ['significance'],
      error: 'needs the score of every caption; leave out the budget of the first step',
    },
  )
  .refine(({ budget, significance }) => budget === undefined || significance === undefined, {
    path: ['significance'],
    error: 'a budget leaves no evaluations for it; leave out one of the two',
  })
  .transform(withDefaults);
/** Of a synthesis without a budget, and of one with: few steps, since many captions are tried. */
const fullSynthesis = { steps: 16, samples: 4, sampler: 'heun' as SamplerName };
const quickSynthesis = { steps: 4, samples: 4, sampler: 'dpmpp-2m' as SamplerName, guidance: 1 };

/** The defaults that depend on other keys. */
function withDefaults(config: z.output<typeof auditConfigObject>) {
  const { budget, cascade, synthesis } = config;
  const steps = cascade ?? (budget === undefined ? defaultCascade : budgetCascade);
  const usual = budget === undefined ? fullSynthesis : quickSynthesis;
  const given = Object.fromEntries(Object.entries(synthesis).filter(([, value]) => value !== undefined));
  return {
    ...config,
    cascade: steps as CascadeStepConfig[],
    synthesis: { ...usual, ...given } as typeof synthesis & typeof fullSynthesis,
  };
}

/** The keys at the top of a config. */
export const auditConfigKeys: readonly string[] = Object.keys(auditConfigObject.shape);

export type AuditConfig = z.output<typeof auditConfigSchema>;
export type AuditDatasetConfig = z.output<typeof auditDatasetSchema>;
