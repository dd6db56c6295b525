import { z } from 'zod';
import { floatTensor, mapTensor, sampleLength, type Tensor } from '../math/index.ts';
import { parseBy } from '../tables/index.ts';

/** What sampling does to an estimate of the clean samples [n, c, h, w] before it steps on. */
export type Limit = (clean: Tensor<'float32'>) => Tensor<'float32'>;

const limitSchema = z.looseObject({
  _class_name: z.string().default('DDPMScheduler'),
  clip_sample: z.boolean().optional(),
  clip_sample_range: z.number().positive().default(1),
  thresholding: z.boolean().default(false),
  dynamic_thresholding_ratio: z.number().min(0).max(1).default(0.995),
  sample_max_value: z.number().positive().default(1),
});

/** The scheduler classes of diffusers that can clip, and whether they do where their config says nothing; the others never do. */
const clipping: ReadonlyMap<string, boolean> = new Map([
  ['DDIMScheduler', true],
  ['DDPMScheduler', true],
  ['HeunDiscreteScheduler', false],
]);

/**
 * Reads out of a diffusers `scheduler_config.json` (already parsed) whether sampling keeps the clean estimate
 * in a range: `thresholding` (dynamic, Saharia et al. 2022, section 2.3) or else `clip_sample`. Undefined
 * where neither holds. `where` names the file in error messages.
 */
export function limitFromConfig(config: unknown, where: string): Limit | undefined {
  const fields = parseBy(limitSchema, config, where);
  if (fields.thresholding)
    return dynamicThreshold(fields.dynamic_thresholding_ratio, fields.sample_max_value);
  const usual = clipping.get(fields._class_name);
  const clips = usual !== undefined && (fields.clip_sample ?? usual);
  const range = fields.clip_sample_range;
  return clips ? (clean) => mapTensor(clean, (value) => Math.min(range, Math.max(-range, value))) : undefined;
}

/**
 * Per sample: s = the `ratio` quantile of |x| (linear between ranks), held in [1, largest]; x is clamped to
 * [−s, s] and divided by s.
 */
export function dynamicThreshold(ratio: number, largest: number): Limit {
  return (clean) => {
    const length = sampleLength(clean);
    const out = floatTensor(clean.shape);
    for (let from = 0; from < clean.data.length; from += length) {
      const values = clean.data.subarray(from, from + length);
      const sorted = values.map(Math.abs).sort();
      const rank = ratio * (length - 1);
      const below = Math.floor(rank);
      const low = sorted[below]!;
      const quantile = low + (rank - below) * (sorted[Math.min(below + 1, length - 1)]! - low);
      const s = Math.min(largest, Math.max(1, quantile));
      for (let i = 0; i < length; i++) out.data[from + i] = Math.min(s, Math.max(-s, values[i]!)) / s;
    }
    return out;
  };
}
