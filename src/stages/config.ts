import { z } from 'zod';
import { attackNames } from '../attacks/index.ts';
import { datasetFormats } from '../datasets/index.ts';
import { type SamplerName, samplerNames } from '../diffusion/index.ts';
import { generatorSchema } from '../generators/index.ts';

const count = z.int().nonnegative();
const positive = z.int().positive();
const seed = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const attackName = z.enum(attackNames as readonly [string, ...string[]]);

/** An attack as configs and the command line name it. */
export const attackSchema = z
  .union([
    attackName.describe('An attack by its name, with its own defaults.'),
    z.strictObject({
      attack: attackName.describe('Its name.'),
      as: z
        .string()
        .regex(/^[a-z0-9][a-z0-9.-]*$/, 'a name of lower-case letters, digits, dots and hyphens')
        .optional()
        .describe('What the tables and the report call it; needed when one attack is used twice.'),
      options: z.record(z.string(), z.unknown()).default({}).describe('seeds, sigma, guidance, …'),
    }),
  ])
  .describe('An attack: a name, or {attack, as, options}.');

/** Which attacks an audit runs. */
export const attacksSchema = z.strictObject({
  first: attackSchema
    .nullable()
    .default('dcs')
    .describe(
      'Scores every caption and selects `select.first` of them; null to score none and generate all. With a generator the default is ecs where it serves, else null.',
    ),
  second: attackSchema
    .nullable()
    .default('ecs')
    .describe('Scores those and selects `select.second` of them; null to leave it out.'),
  alsoScore: z
    .array(attackSchema)
    .default([])
    .describe('Scored for every caption too, for comparison; they select nothing.'),
});

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
  attacks: attacksSchema.prefault({}),
  select: z
    .strictObject({
      first: positive.default(500).describe('How many captions the first attack keeps.'),
      second: positive.default(100).describe('How many of those the second keeps: these are synthesized.'),
    })
    .prefault({}),
  synthesis: z
    .strictObject({
      steps: positive.max(1000).default(16),
      samples: positive.max(1000).default(4).describe('Pictures per caption, each with its own seed.'),
      seed: seed
        .default(0)
        .describe('Seed of the first sample; the next ones count up. Shared by all captions.'),
      sampler: z.enum(samplerNames as readonly [SamplerName, ...SamplerName[]]).default('heun'),
      guidance: z
        .number()
        .min(0)
        .max(100)
        .optional()
        .describe('Default: the scale stored with the model. 1 is unguided.'),
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
  });

export type AuditConfig = z.output<typeof auditConfigSchema>;
export type AttackConfig = z.output<typeof attackSchema>;
export type AuditDatasetConfig = z.output<typeof auditDatasetSchema>;
