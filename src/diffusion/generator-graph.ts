import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { checkExternalData } from '../graph/index.ts';
import { type PictureOrError, tensorToPictures } from '../images/index.ts';
import { concatBatch, floatTensor, mapTensor, sliceBatch, type Tensor } from '../math/index.ts';
import { asFloat32 } from '../models/index.ts';
import type { Seed } from '../noise/index.ts';
import { openSession, type Port, type Session, type SessionOptions } from '../runtime/index.ts';
import { hashFile, isFile, parseBy, readJsonObject } from '../tables/index.ts';
import { greyToRgb } from './grey.ts';
import { type NoiseOption, seededNoise } from './noise.ts';

/** A model that makes pictures from noise in one call, such as a GAN: it has no denoiser and no captions. */
export interface GeneratorGraph {
  readonly name: string;
  /** SHA-256 over the graph, its external data and its settings, hex. */
  readonly digest: string;
  /** Height and width in pixels of its pictures. */
  readonly pictureSize: readonly [height: number, width: number];
  /** Shape of one sample's noise, [size] or [channels, height, width]. */
  readonly noiseShape: readonly number[];
  /** One picture per seed, from noise of unit variance by that seed alone. */
  pictures(seeds: readonly Seed[], noise?: NoiseOption): Promise<PictureOrError[]>;
  close(): Promise<void>;
}

export interface GeneratorOptions extends SessionOptions {
  /** Largest number of pictures in one call of the graph. Default 16. */
  readonly batch?: number;
}

/** Whether a model's path means a generator graph: an ONNX file, not a folder. */
export function isGeneratorGraph(path: string): boolean {
  return path.endsWith('.onnx');
}

/** Refuses a generator graph where a denoiser is needed. @throws VerbatimError (exit code 2) */
export function requireDenoiser(path: string): void {
  if (isGeneratorGraph(path))
    throw new VerbatimError(
      `${path}: a generator graph has no denoiser to attack; \`verbatim generate\` makes pictures with it. If it is the denoiser of an ONNX folder, name that folder.`,
      { exitCode: 2 },
    );
}

const settingsSchema = z.strictObject({
  range: z
    .tuple([z.number(), z.number()])
    .refine(([low, high]) => low < high, 'the first must be below the second')
    .default([-1, 1]),
});

/**
 * Opens an ONNX file with one input, noise [batch, size] or [batch, channels, height, width] of standard normal
 * numbers, and one output, pictures [batch, 3 or 1, height, width]. Their values lie in [−1, 1] unless
 * `"range": [low, high]` in NAME.verbatim.json beside NAME.onnx says otherwise. It is run once to learn the
 * size of its pictures.
 *
 * @throws VerbatimError when the file is missing or is no such graph; nothing stays open then
 */
export async function openGeneratorGraph(
  path: string,
  options: GeneratorOptions = {},
): Promise<GeneratorGraph> {
  const { batch = 16, ...sessionOptions } = options;
  const external = checkExternalData(path);
  const settingsPath = path.replace(/\.onnx$/, '.verbatim.json');
  const settings = (await isFile(settingsPath)) ? [settingsPath] : [];
  const { range } = parseBy(
    settingsSchema,
    settings.length === 0 ? {} : await readJsonObject(settingsPath),
    settingsPath,
  );
  const session = await openSession({ path }, sessionOptions);
  try {
    const input = noisePort(path, session);
    const output = onlyPort(path, 'output', session.outputs);
    const noiseShape = input.shape.slice(1) as number[];
    const limit = input.shape[0] === 1 ? 1 : batch;
    const run = async (noise: Tensor<'float32'>): Promise<Tensor<'float32'>> => {
      const out = (await session.run({ [input.name]: noise }))[output.name]!;
      return toRgb(path, floatTensor(out.shape, asFloat32(out, path)), noise.shape[0]!, range);
    };
    const [, , height, width] = (await run(seededNoise()([0], noiseShape, 0))).shape as number[];
    const digest = await digestOf({ graph: [path], data: external, settings });
    return {
      name: basename(path, '.onnx'),
      digest,
      pictureSize: [height!, width!],
      noiseShape,
      async pictures(seeds, noise) {
        if (seeds.length === 0) return [];
        const rows = seededNoise(noise)(seeds, noiseShape, 0);
        const parts: Tensor<'float32'>[] = [];
        for (let from = 0; from < seeds.length; from += limit) {
          options.signal?.throwIfAborted();
          parts.push(await run(sliceBatch(rows, from, Math.min(from + limit, seeds.length))));
        }
        return tensorToPictures(concatBatch(parts));
      },
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

function describePorts(ports: readonly Port[]): string {
  return ports.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ');
}

function onlyPort(path: string, what: 'input' | 'output', ports: readonly Port[]): Port {
  const [port] = ports;
  if (port && ports.length === 1) return port;
  throw new VerbatimError(
    `${path}: a generator graph has one ${what}, this has ${ports.length}: ${describePorts(ports)}.`,
  );
}

function noisePort(path: string, session: Session): Port {
  const names = session.inputs.map(({ name }) => name);
  if (names.includes('sample') && names.includes('timestep'))
    throw new VerbatimError(
      `${path}: this is a denoiser alone (its inputs are ${names.join(', ')}); name the folder above it, ${dirname(dirname(resolve(path)))}.`,
      { exitCode: 2 },
    );
  const port = onlyPort(path, 'input', session.inputs);
  const fault = (what: string) =>
    new VerbatimError(
      `${path}: the noise is ${describePorts([port])} of ${port.dtype}; ${what}. Supported: float32 [batch, size] or [batch, channels, height, width].`,
    );
  if (port.dtype !== 'float32') throw fault('its type is not supported');
  if (port.shape.length !== 2 && port.shape.length !== 4) throw fault('its rank is not supported');
  if (port.shape.slice(1).some((size) => typeof size !== 'number')) throw fault('its sizes must be known');
  if (typeof port.shape[0] === 'number' && port.shape[0] !== 1)
    throw fault('its batch is fixed; export it with a batch of 1 or any size');
  return port;
}

/** What the graph gave as [n, 3, h, w] in [−1, 1]. */
function toRgb(
  path: string,
  out: Tensor<'float32'>,
  count: number,
  [low, high]: readonly [number, number],
): Tensor<'float32'> {
  const [n, channels] = out.shape;
  if (out.shape.length !== 4 || n !== count || (channels !== 3 && channels !== 1))
    throw new VerbatimError(
      `${path}: gives [${out.shape.join(', ')}] for ${count} ${count === 1 ? 'row' : 'rows'} of noise; pictures are [batch, 3 or 1, height, width].`,
    );
  const rgb = channels === 1 ? greyToRgb(out) : out;
  if (low === -1 && high === 1) return rgb;
  return mapTensor(rgb, (value) => (2 * (value - low)) / (high - low) - 1);
}

/** SHA-256 over files: for each what it is, its size and its content. */
async function digestOf(files: Readonly<Record<string, readonly string[]>>): Promise<string> {
  const hash = createHash('sha256');
  for (const [what, paths] of Object.entries(files))
    for (const path of paths) {
      hash.update(`${what}\0${(await stat(path)).size}\0`);
      await hashFile(hash, path);
    }
  return hash.digest('hex');
}
