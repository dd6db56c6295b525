import { z } from 'zod';
import { isStop, stop, VerbatimError } from '../errors.ts';
import { base64Of, fieldsOf, listOf } from './remote/answer.ts';
import { serviceOptions, sizeOptions, urlOption } from './remote/options.ts';
import { type Means, serviceGenerator, tooFewPictures } from './remote/service.ts';
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
  open: async ({ kind, ...spec }, context) => {
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
        async ask({ caption, pays }, by, signal) {
          const found = new Map<string, Uint8Array | VerbatimError>();
          const isLeft = (request: string) => !found.has(request);
          // What an earlier process has paid for and was given the address of.
          for (const request of pays) {
            const file = await orderedBefore(request, name, by, signal);
            if (file !== undefined) found.set(request, file);
          }
          const left = pays.filter(isLeft);
          if (left.length === 0) return pays.map((request) => found.get(request)!);
          const body = {
            ...spec.extra,
            prompt: caption,
            model: spec.model,
            n: left.length,
            size: `${spec.width}x${spec.height}`,
            ...(spec.responseFormat !== 'none' && { response_format: spec.responseFormat }),
          };
          const answer = fieldsOf(
            await by.client.json({ path: 'images/generations', body, pays: left }, signal),
            name,
          );
          const entries = listOf(answer['data'], 'data', name).slice(0, left.length);
          const made = left.slice(0, entries.length).map((request, i) => ({ request, entry: entries[i] }));
          // All addresses are on the disk before the first of them is fetched.
          for (const { request, entry } of made) await noteAddress(request, entry, by);
          for (const { request, entry } of made)
            found.set(request, await fileOf(entry, name, by, signal).catch(unlessStop));
          const tooFew = tooFewPictures(name, made.length, left.length);
          return pays.map((request) => found.get(request) ?? tooFew);
        },
      },
      spec,
      context,
    );
  },
};

/** Longer addresses are not noted: a picture inside of its address is no address. */
const maxAddress = 8192;

async function noteAddress(request: string, entry: unknown, { client, journal }: Means): Promise<void> {
  const { url } = (entry ?? {}) as { url?: unknown };
  if (typeof url !== 'string' || url.length > maxAddress || client.isSecret(url)) return;
  await journal.ordered(request, url);
}

/** A picture that has been paid for, if there is one; undefined where it has to be asked for (again). */
async function orderedBefore(
  request: string,
  name: string,
  { client, journal, note }: Means,
  signal?: AbortSignal,
): Promise<Uint8Array | VerbatimError | undefined> {
  const address = journal.ticket(request);
  if (address === undefined) return undefined;
  const file = await client.picture(address, signal).catch(unlessStop);
  if (!('gone' in file)) return file;
  await journal.expired(request);
  note(
    `a picture that ${name} has made and was paid for is not at its address any more (${file.gone.message}); it is asked for, and paid, again`,
  );
  return undefined;
}

/** The picture of one entry of an answer. @throws VerbatimError, a stop where it is not at the address just given */
async function fileOf(
  entry: unknown,
  name: string,
  { client }: Means,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { b64_json: encoded, url } = fieldsOf(entry, name);
  if (typeof url !== 'string' || encoded !== undefined) return base64Of(encoded, name);
  const file = await client.picture(url, signal);
  // All other pictures would be paid for and not come either.
  if ('gone' in file)
    throw stop(
      `${name}: the picture that it has just made is not at the address that it gave (${file.gone.message}); generator.responseFormat: b64_json does without addresses`,
    );
  return file;
}

function unlessStop(error: unknown): VerbatimError {
  if (error instanceof VerbatimError && !isStop(error)) return error;
  throw error;
}
