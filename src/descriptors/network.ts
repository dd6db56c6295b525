import { createHash } from 'node:crypto';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { centreCrop, type Picture, type ResizeFilter, resize } from '../images/index.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { asFloat32 } from '../models/index.ts';
import { openSession, type Session } from '../runtime/index.ts';
import { hashFile } from '../tables/index.ts';
import type { VectorDescriptor } from './types.ts';

const triple = z.tuple([z.number(), z.number(), z.number()]);
const side = z.number().int().min(8).max(4096);

/**
 * How an exported network (ONNX) becomes a descriptor: what it is fed and what is made of its output. What
 * frameworks hide in a "processor" is spelled out here, so that a file alone is enough.
 */
export const networkDescriptionSchema = z.strictObject({
  /** Part of the descriptor's id, with a digest of everything else. */
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, 'lower-case letters, digits, dots and hyphens'),
  /** 'cover' brings the shorter side to `resize` and cuts the middle out; 'squash' resizes both sides to `size`. */
  fit: z.enum(['cover', 'squash']).default('cover'),
  /** Side of the square that the network takes, in pixels. */
  size: side,
  /** The shorter side before the cut; `size` unless told otherwise. */
  resize: side.optional(),
  filter: z.enum(['bilinear', 'bicubic', 'lanczos']).default('bicubic'),
  /** Per channel, of values in [0, 1]: (value − mean) / std. */
  mean: triple,
  std: triple,
  /** Names in the file; the first ones unless told otherwise. */
  input: z.string().optional(),
  output: z.string().optional(),
  /**
   * What is made of the output. 'none': [n, d] as it is. Of tokens [n, t, d]: 'first' (the class token), 'mean' over
   * the patch tokens, or 'patches', all of them as the chunks of split-product. Of maps [n, d, h, w]: 'mean', or 'gem', the
   * generalised mean with exponent `gemPower` (Radenović 2018).
   */
  pooling: z.enum(['none', 'first', 'mean', 'patches', 'gem']).default('none'),
  /** Tokens before the patches: the class token, registers. */
  prefixTokens: z.number().int().nonnegative().default(1),
  gemPower: z.number().positive().default(3),
  /** Applied after pooling: (x − mean) · matrix, row-major [d, k]. Then every chunk is brought to length 1. */
  whitening: z
    .strictObject({ mean: z.array(z.number()).min(1), matrix: z.array(z.array(z.number()).min(1)).min(1) })
    .optional(),
});

export type NetworkDescription = z.infer<typeof networkDescriptionSchema>;

/** What is known of the file, when it is opened. */
export interface DenoiserNetworkOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly provider?: 'auto' | 'cpu' | 'webgpu' | 'cuda';
  /** Pictures per run. Default 16. */
  readonly batch?: number;
}

/**
 * Opens an exported network as a descriptor. Its rows hold `chunks` parts, each of length 1.
 *
 * @throws VerbatimError when the file, its ports or its output do not fit the description
 */
export async function openNetworkDescriptor(
  path: string,
  description: NetworkDescription,
  options: DenoiserNetworkOptions = {},
): Promise<VectorDescriptor> {
  const { batch = 16, ...session } = options;
  const network = await openSession({ path }, session);
  try {
    const input = portNamed(path, 'input', network.inputs, description.input);
    const output = portNamed(path, 'output', network.outputs, description.output);
    const run = async (pictures: readonly Picture[]) => {
      const result = await network.run({ [input]: networkInput(pictures, description) }, { fetch: [output] });
      return pooled(result[output]!, description, path);
    };
    // One grey picture says how long a row is: exported shapes are often symbolic.
    const { size } = description;
    const probe = await run([{ width: size, height: size, data: new Uint8Array(size * size * 3).fill(127) }]);
    const hash = createHash('sha256').update(JSON.stringify(description));
    await hashFile(hash, path);
    const digest = hash.digest('hex');
    return {
      id: `${description.name}-${digest.slice(0, 16)}`,
      kind: 'vector',
      dimension: probe.chunks * probe.width,
      chunks: probe.chunks,
      async describe(pictures) {
        const rows = new Float32Array(pictures.length * probe.chunks * probe.width);
        for (let from = 0; from < pictures.length; from += batch) {
          const part = await run(pictures.slice(from, from + batch));
          rows.set(part.rows, from * probe.chunks * probe.width);
        }
        return rows;
      },
      close: () => network.close(),
    };
  } catch (error) {
    await network.close();
    throw error;
  }
}

function portNamed(
  path: string,
  kind: 'input' | 'output',
  ports: Session['inputs'],
  name: string | undefined,
): string {
  const names = ports.map((port) => port.name);
  if (name === undefined) {
    if (kind === 'input' && names.length !== 1)
      throw new VerbatimError(
        `${path}: has ${names.length} inputs (${names.join(', ')}); name one as "input"`,
      );
    return names[0]!;
  }
  if (!names.includes(name))
    throw new VerbatimError(`${path}: has no ${kind} "${name}"; it has ${names.join(', ')}`);
  return name;
}

/** [n, 3, size, size]: resized, cut, and (value / 255 − mean) / std. */
function networkInput(pictures: readonly Picture[], description: NetworkDescription): Tensor<'float32'> {
  const { fit, size, filter, mean, std } = description;
  const plane = size * size;
  const tensor = floatTensor([pictures.length, 3, size, size]);
  pictures.forEach((picture, n) => {
    const { data } =
      fit === 'squash'
        ? resize(picture, size, size, filter)
        : centreCrop(shorterSide(picture, description.resize ?? size, filter), size, size);
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < plane; i++)
        tensor.data[(n * 3 + c) * plane + i] = (data[3 * i + c]! / 255 - mean[c]!) / std[c]!;
  });
  return tensor;
}

/** The shorter side brought to `length`, the longer one rounded down, as torchvision and transformers do. */
function shorterSide(picture: Picture, length: number, filter: ResizeFilter): Picture {
  const { width, height } = picture;
  return width <= height
    ? resize(picture, length, Math.floor((length * height) / width), filter)
    : resize(picture, Math.floor((length * width) / height), length, filter);
}

interface Pooled {
  readonly chunks: number;
  /** Values per chunk. */
  readonly width: number;
  readonly rows: Float32Array;
}

/** An output as vectors at places: one place, the tokens of a transformer, or the pixels of feature maps. */
interface Places {
  readonly count: number;
  readonly places: number;
  readonly width: number;
  at(picture: number, place: number, channel: number): number;
}

function asPlaces(output: Tensor, path: string): Places {
  const data = asFloat32(output, path);
  const [count, a, b, c] = output.shape as [number, number, number, number];
  switch (output.shape.length) {
    case 2:
      return { count, places: 1, width: a, at: (n, _, d) => data[n * a + d]! };
    case 3:
      return { count, places: a, width: b, at: (n, p, d) => data[(n * a + p) * b + d]! };
    case 4:
      return { count, places: b * c, width: a, at: (n, p, d) => data[(n * a + d) * b * c + p]! };
    default:
      throw new VerbatimError(
        `${path}: its output is [${output.shape.join(', ')}]; expected [n, d], [n, tokens, d] or [n, d, h, w]`,
      );
  }
}

/** The network's output, pooled and whitened, every chunk brought to length 1. */
function pooled(output: Tensor, description: NetworkDescription, path: string): Pooled {
  const { pooling, gemPower, whitening } = description;
  const { count, places, width, at } = asPlaces(output, path);
  const first = output.shape.length === 3 ? description.prefixTokens : 0;
  if (pooling === 'none' ? places !== 1 : pooling !== 'first' && places <= first)
    throw new VerbatimError(
      `${path}: pooling "${pooling}" does not fit its output [${output.shape.join(', ')}]`,
    );
  const chunks = pooling === 'patches' ? places - first : 1;
  const parts: Float64Array[] = [];
  for (let n = 0; n < count; n++) {
    const pool = (value: (place: number, channel: number) => number, from: number, to: number) =>
      Float64Array.from({ length: width }, (_, d) => {
        let sum = 0;
        for (let p = from; p < to; p++) sum += value(p, d);
        return sum / (to - from);
      });
    const plain = (p: number, d: number) => at(n, p, d);
    if (pooling === 'gem')
      // What is not positive counts as next to nothing, as GeM layers clamp.
      parts.push(
        pool((p, d) => Math.max(plain(p, d), 1e-6) ** gemPower, first, places).map(
          (v) => v ** (1 / gemPower),
        ),
      );
    else if (pooling === 'mean') parts.push(pool(plain, first, places));
    else {
      const from = pooling === 'patches' ? first : 0;
      for (let p = from; p < from + chunks; p++) parts.push(pool(plain, p, p + 1));
    }
  }
  const finished = parts.map((part) => normalized(whitening ? whitened(part, whitening, path) : part));
  const length = finished[0]!.length;
  const rows = new Float32Array(finished.length * length);
  finished.forEach((part, i) => {
    rows.set(part, i * length);
  });
  return { chunks, width: length, rows };
}

function whitened(
  part: Float64Array,
  { mean, matrix }: NonNullable<NetworkDescription['whitening']>,
  path: string,
): Float64Array {
  if (mean.length !== part.length || matrix.length !== part.length)
    throw new VerbatimError(
      `${path}: gives ${part.length} values, but its whitening takes ${mean.length} (mean) and ${matrix.length} (matrix)`,
    );
  return Float64Array.from(matrix[0]!, (_, k) =>
    part.reduce((sum, value, d) => sum + (value - mean[d]!) * matrix[d]![k]!, 0),
  );
}

function normalized(part: Float64Array): Float64Array {
  const length = Math.sqrt(part.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? part : part.map((value) => value / length);
}
