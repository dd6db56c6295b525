import type { PlantedSet, TrainingEntries } from '../datasets/index.ts';
import { constant, createGraph, input, model, slice } from '../graph/index.ts';
import { picturesToTensor } from '../images/index.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { type ClipTokenizer, type VaeConfig, vaeEncode } from '../models/index.ts';
import { openSession } from '../runtime/index.ts';
import type { TwinData } from './twin.ts';

/** A picture of the planted set by index, kept after it was first drawn: 12 KB each at 64×64. */
export function rememberPictures(set: PlantedSet): PlantedSet['picture'] {
  const known = new Map<number, ReturnType<PlantedSet['picture']>>();
  return (index) => {
    let picture = known.get(index);
    if (!picture) {
      picture = set.picture(index);
      known.set(index, picture);
    }
    return picture;
  };
}

/**
 * Latents of pictures: the mean of the VAE's posterior, not yet scaled, [pictures, channels, side, side].
 * `indices` says which rows are wanted; the others stay zero.
 */
export async function encodePictures(options: {
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
  readonly config: VaeConfig;
  readonly pictureSize: number;
  readonly count: number;
  readonly indices: readonly number[];
  readonly picture: PlantedSet['picture'];
  readonly threads?: number;
  readonly signal?: AbortSignal;
}): Promise<Tensor<'float32'>> {
  const { weights, config, pictureSize } = options;
  const channels = config.latent_channels;
  const side = pictureSize / 2 ** (config.block_out_channels.length - 1);
  const graph = createGraph();
  const moments = vaeEncode(
    (name) => constant(graph, weights.get(name)!, name),
    config,
    input(graph, 'picture', 'float32', ['batch', 3, pictureSize, pictureSize]),
  );
  const mean = slice(moments, { axis: 1, start: 0, end: channels });
  const session = await openSession(model(graph, { mean }), {
    threads: options.threads,
    signal: options.signal,
  });
  const length = channels * side * side;
  const latents = new Float32Array(options.count * length);
  try {
    const batch = 16;
    for (let from = 0; from < options.indices.length; from += batch) {
      const indices = options.indices.slice(from, from + batch);
      const pictures = await Promise.all(indices.map((index) => options.picture(index)));
      const result = (await session.run({ picture: picturesToTensor(pictures) }))['mean']!
        .data as Float32Array;
      indices.forEach((index, row) => {
        latents.set(result.subarray(row * length, (row + 1) * length), index * length);
      });
    }
  } finally {
    await session.close();
  }
  return floatTensor([options.count, channels, side, side], latents);
}

/** Standard deviation of the latents of some pictures: Stable Diffusion's scaling factor is its inverse. */
export function latentDeviation(latents: Tensor<'float32'>, indices: readonly number[]): number {
  const length = latents.data.length / latents.shape[0]!;
  let sum = 0;
  let squares = 0;
  for (const index of indices)
    for (let i = index * length; i < (index + 1) * length; i++) {
      sum += latents.data[i]!;
      squares += latents.data[i]! ** 2;
    }
  const count = indices.length * length;
  return Math.sqrt(squares / count - (sum / count) ** 2);
}

/** What one twin learns from: scaled latents, token ids, and which goes with which. */
export function twinData(
  entries: TrainingEntries,
  latents: Tensor<'float32'>,
  scalingFactor: number,
  tokenizer: ClipTokenizer,
): TwinData {
  const captions = [...entries.captions, ''];
  const tokens = tokenizer.maxLength;
  const ids = new BigInt64Array(captions.length * tokens);
  captions.forEach((caption, row) => {
    tokenizer.encode(caption).forEach((id, at) => {
      ids[row * tokens + at] = BigInt(id);
    });
  });
  return {
    latents: floatTensor(
      latents.shape,
      latents.data.map((value) => value * scalingFactor),
    ),
    ids: { dtype: 'int64', shape: [captions.length, tokens], data: ids },
    emptyCaption: captions.length - 1,
    pictureOf: entries.pictureIndices,
    captionOf: entries.captionIndices,
  };
}
