import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';

/** Seeds of the shared noise, in the order in which they are used. */
export const seedsOption = (...defaults: number[]) =>
  z
    .array(z.number().int().min(0))
    .min(1)
    .max(256)
    .refine((seeds) => new Set(seeds).size === seeds.length, 'a seed occurs twice')
    .default(defaults)
    .describe('Seeds of the noise; every caption gets the same ones.');

/** A noise level: 'max' is where the model starts to sample. */
export const sigmaOption = () =>
  z
    .union([z.literal('max'), z.number().positive()])
    .default('max')
    .describe('Noise level, within the model’s own; "max" for its largest.');

/** Classifier-free guidance; 1 is none. */
export const guidanceOption = (scale: number) =>
  z.number().min(0).max(100).default(scale).describe('Guidance scale; 1 is unguided.');

/** Parses the options of an attack; every problem is one line that names attack and option. */
export function parseOptions<S extends z.ZodObject>(attack: string, schema: S, given: unknown): z.output<S> {
  const parsed = schema.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const names = Object.keys(schema.shape);
  const fail = (text: string) => new VerbatimError(`Attack "${attack}": ${text}`, { exitCode: 2 });
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0]!;
    throw fail(
      `there is no option "${unknown}"; did you mean "${closest(unknown, names)}"? It takes ${names.join(', ')}.`,
    );
  }
  if (issue.path.length === 0) throw fail(`options must be a map of ${names.join(', ')}.`);
  throw fail(`option "${issue.path.join('.')}": ${issue.message}.`);
}
