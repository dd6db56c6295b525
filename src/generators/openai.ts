import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { base64Of, fieldsOf, listOf } from './remote/answer.ts';
import { serviceOptions, sizeOptions, urlOption } from './remote/options.ts';
import { serviceGenerator } from './remote/service.ts';
import type { GeneratorSource } from './source.ts';
import { notReproducible } from './types.ts';

const schema = z.strictObject({
  kind: z.literal('openai'),
  url: urlOption.describe('The address of the API with its version, e.g. https://api.openai.com/v1.'),
  model: z.string().min(1).describe('The model, as the service names it.'),
  ...sizeOptions,
  responseFormat: z
    .enum(['b64_json', 'url', 'none'])
    .default('b64_json')
    .describe('How pictures are asked for; none leaves the field out, for services that refuse it.'),
  extra: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe('Other fields of the request, e.g. {quality: high}.'),
  hosts: z
    .array(z.string().regex(/^[A-Za-z0-9.-]+(:\d+)?$/, 'a host, with its port where it has one'))
    .default([])
    .describe('Other hosts that pictures may be fetched from, where the service gives addresses.'),
  batch: z.int().min(1).max(10).default(1).describe('Pictures per request (n).'),
  ...serviceOptions,
});

/** Fields that the audit decides itself. */
const own: ReadonlySet<string> = new Set(['prompt', 'model', 'n', 'size', 'response_format', 'stream']);

/**
 * Services with OpenAI's images API: `POST /images/generations`, whose answer holds `data` with `b64_json` or `url`. There is
 * no seed, step count or guidance: a run through it is recorded as not reproducible.
 */
export const openai: GeneratorSource<typeof schema> = {
  kind: 'openai',
  schema,
  open: async ({ kind, ...spec }, { journal }) => {
    const taken = Object.keys(spec.extra).find((key) => own.has(key));
    if (taken !== undefined)
      throw new VerbatimError(`generator.extra: "${taken}" is set by the audit itself; leave it out`, {
        exitCode: 2,
      });
    const name = `${spec.model} at ${new URL(spec.url).host}`;
    return serviceGenerator(
      {
        kind,
        name,
        capabilities: {
          seeds: false,
          steps: false,
          guidance: false,
          sampler: false,
          oneStep: false,
          batch: spec.batch,
        },
        guidance: 1,
        pictureSize: [spec.height, spec.width],
        noise: notReproducible,
        identity: [spec.model, spec.extra],
        async ask({ caption, count, pays }, client, _journal, signal) {
          const body = {
            ...spec.extra,
            prompt: caption,
            model: spec.model,
            n: count,
            size: `${spec.width}x${spec.height}`,
            ...(spec.responseFormat !== 'none' && { response_format: spec.responseFormat }),
          };
          const answer = fieldsOf(
            await client.json({ path: 'images/generations', body, pays }, signal),
            name,
          );
          const files: Uint8Array[] = [];
          for (const entry of listOf(answer['data'], 'data', name).slice(0, count)) {
            const { b64_json: encoded, url } = fieldsOf(entry, name);
            files.push(
              typeof url === 'string' && encoded === undefined
                ? await client.bytes({ path: url }, signal)
                : base64Of(encoded, name),
            );
          }
          return files;
        },
      },
      spec,
      journal,
    );
  },
};
