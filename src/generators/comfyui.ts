import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, VerbatimError } from '../errors.ts';
import { fieldsOf } from './remote/answer.ts';
import type { Client } from './remote/client.ts';
import { serviceOptions, sizeOptions, urlOption } from './remote/options.ts';
import { pause } from './remote/retry.ts';
import { serviceGenerator } from './remote/service.ts';
import type { GeneratorSource } from './source.ts';
import { notReproducible } from './types.ts';
import { markedWorkflow } from './workflow.ts';

const schema = z.strictObject({
  kind: z.literal('comfyui'),
  url: urlOption,
  workflow: z.string().min(1).describe('A workflow in API format whose nodes are marked in their titles.'),
  ...sizeOptions,
  guidance: z.number().min(0).max(100).default(7.5).describe('cfg where synthesis.guidance is not set.'),
  ...serviceOptions,
});

const maxWorkflowBytes = 16 * 2 ** 20;
/** Between two looks at an order, milliseconds: the first, and the longest. */
const lookMs = [100, 2000] as const;

/**
 * ComfyUI: `POST /prompt` takes an order, `GET /history/{id}` says when it is done, `GET /view` brings the picture. Its noise is
 * torch's CPU generator (comfy/sample.py, prepare_noise). The order's number is in the journal before it is waited for,
 * so a client that was killed fetches what it has ordered.
 */
export const comfyui: GeneratorSource<typeof schema> = {
  kind: 'comfyui',
  schema,
  open: async ({ kind, ...spec }, context) => {
    const name = `${kind} at ${new URL(spec.url).host}`;
    const workflow = await readWorkflow(spec.workflow);
    const { has, output, filled } = markedWorkflow(workflow, spec.workflow);
    const seeds = has.has('seed');
    const steps = has.has('steps');
    return serviceGenerator(
      {
        kind,
        name,
        capabilities: {
          seeds,
          steps,
          guidance: has.has('cfg'),
          sampler: has.has('sampler'),
          oneStep: steps,
          batch: 1,
        },
        guidance: spec.guidance,
        pictureSize: [spec.height, spec.width],
        noise: seeds ? 'torch-cpu' : notReproducible,
        identity: workflow,
        async ask({ caption, seed, settings, pays }, { client, journal: kept }, signal) {
          const [request] = pays;
          const { width, height } = spec;
          const { steps, guidance, sampler } = settings;
          let ticket = kept.ticket(request!);
          if (ticket === undefined || !(await isKnown(ticket, client, name, signal))) {
            const prompt = filled({ prompt: caption, seed, steps, cfg: guidance, sampler, width, height });
            const answer = fieldsOf(
              await client.json({ path: 'prompt', body: { prompt }, pays }, signal),
              name,
            );
            ticket = idOf(answer['prompt_id'], name);
            await kept.ordered(request!, ticket);
          }
          const outputs = await finished(ticket, client, name, spec.timeoutSeconds, signal);
          const file = pictureOf(outputs, output, name);
          return [await client.bytes({ path: `view?${file}` }, signal)];
        },
      },
      spec,
      context,
    );
  },
};

/** The workflow as JSON. @throws VerbatimError (exit code 2) */
async function readWorkflow(path: string): Promise<unknown> {
  const refused = (what: string) => new VerbatimError(`generator.workflow ${path}: ${what}`, { exitCode: 2 });
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw refused('no such file');
  if (found.size > maxWorkflowBytes) throw refused(`${found.size} bytes are too many for a workflow`);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw refused(`not valid JSON (${messageOf(error)})`);
  }
}

/** An order's number becomes part of an address. */
const orderId = /^[A-Za-z0-9-]{1,100}$/;

function idOf(value: unknown, name: string): string {
  if (typeof value === 'string' && orderId.test(value)) return value;
  throw new VerbatimError(`${name}: its answer has no prompt_id; is generator.kind right?`);
}

/** Whether an order can still be fetched: a server that was started anew has forgotten it, and one that failed is tried again. */
async function isKnown(id: string, client: Client, name: string, signal?: AbortSignal): Promise<boolean> {
  // It comes out of the journal's file.
  if (!orderId.test(id)) return false;
  const history = fieldsOf(await client.json({ path: `history/${id}` }, signal), name);
  if (Object.hasOwn(history, id)) return !hasFailed(fieldsOf(history[id], name));
  const queue = fieldsOf(await client.json({ path: 'queue' }, signal), name);
  const waiting = [queue['queue_running'], queue['queue_pending']].flatMap((list) =>
    Array.isArray(list) ? list : [],
  );
  return waiting.some((entry) => Array.isArray(entry) && entry[1] === id);
}

/** Looks until an order is done; its outputs by node. @throws VerbatimError when it failed or takes too long */
async function finished(
  id: string,
  client: Client,
  name: string,
  seconds: number,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  let waitedMs = 0;
  let waitMs: number = lookMs[0];
  for (;;) {
    const history = fieldsOf(await client.json({ path: `history/${id}` }, signal), name);
    if (Object.hasOwn(history, id)) {
      const entry = fieldsOf(history[id], name);
      if (hasFailed(entry)) throw new VerbatimError(`${name}: the workflow failed${reasonOf(entry)}`);
      return fieldsOf(entry['outputs'], name);
    }
    if (waitedMs >= seconds * 1000)
      throw new VerbatimError(`${name}: an order was not done within ${seconds} s`);
    await pause(waitMs, signal);
    waitedMs += waitMs;
    waitMs = Math.min(lookMs[1], waitMs * 1.5);
  }
}

type Entry = Readonly<Record<string, unknown>>;

function hasFailed({ status }: Entry): boolean {
  return (status as { status_str?: unknown } | undefined)?.status_str === 'error';
}

/** Messages are [event, details]; that of an error names the node and what it said. */
function reasonOf({ status }: Entry): string {
  const { messages } = status as { messages?: unknown };
  if (!Array.isArray(messages)) return '';
  const found = messages.find((message) => Array.isArray(message) && message[0] === 'execution_error');
  const { node_type, exception_message } = (found?.[1] ?? {}) as Record<string, unknown>;
  const text = [node_type, exception_message].filter((part) => typeof part === 'string').join(': ');
  return text === '' ? '' : ` (${text.replace(/[\p{Cc}\s]+/gu, ' ').slice(0, 200)})`;
}

interface StoredImage {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

/** The query of the first picture of an order: of the node that is marked, else one that was saved before a preview. */
function pictureOf(
  outputs: Readonly<Record<string, unknown>>,
  marked: string | undefined,
  name: string,
): string {
  const nodes = marked === undefined ? Object.values(outputs) : [outputs[marked]];
  const images = nodes
    .flatMap((node) => ((node ?? {}) as { images?: unknown }).images ?? [])
    .filter(isStoredImage);
  const image = images.find(({ type }) => type === 'output') ?? images[0];
  if (image === undefined)
    throw new VerbatimError(
      `${name}: the workflow brought no picture${marked === undefined ? '' : ` from node ${marked}`}; it needs a node that saves one`,
    );
  const { filename, subfolder, type } = image;
  return String(new URLSearchParams({ filename, subfolder, type }));
}

function isStoredImage(value: unknown): value is StoredImage {
  const { filename, subfolder, type } = (value ?? {}) as Partial<Record<keyof StoredImage, unknown>>;
  return typeof filename === 'string' && typeof subfolder === 'string' && typeof type === 'string';
}
