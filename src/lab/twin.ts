import { input, mul, reduceMean, sub } from '../graph/index.ts';
import { createRandom, floatTensor, hashSeed, type Tensor } from '../math/index.ts';
import {
  type ClipTextConfig,
  clipText,
  clipTextParameters,
  type Parameter,
  scope,
  type UNetConfig,
  unet2DCondition,
  unetParameters,
} from '../models/index.ts';
import type { LossBuilder } from '../training/index.ts';
import { epochBatches, type NoiseLevels, noiseRow, timestepSampler } from './batches.ts';
import {
  type Cycle,
  type LabContext,
  type Optimisation,
  type TrainedNetwork,
  trainNetwork,
} from './network.ts';

/** What a twin learns from: latents of the distinct pictures, token ids of the distinct captions, and the pairs. */
export interface TwinData {
  /** [pictures, channels, side, side], scaled to unit variance. */
  readonly latents: Tensor<'float32'>;
  /** [captions, tokens]; row `emptyCaption` is the caption ''. */
  readonly ids: Tensor<'int64'>;
  readonly emptyCaption: number;
  /** One entry per copy in the training set: which picture under which caption. */
  readonly pictureOf: Int32Array;
  readonly captionOf: Int32Array;
}

/** The loss of a twin on one batch, as a graph, and the weights that it trains. */
export function twinLoss(options: {
  readonly unet: UNetConfig;
  readonly text: ClipTextConfig;
  readonly batchSize: number;
  readonly tokens: number;
}): { readonly parameters: readonly Parameter[]; readonly loss: LossBuilder } {
  const { unet, text, batchSize, tokens } = options;
  const side = sampleSide(unet);
  const shape = [batchSize, unet.in_channels, side, side];
  return {
    parameters: [
      ...clipTextParameters(text).map((p) => ({ ...p, name: `text_encoder.${p.name}` })),
      ...unetParameters(unet).map((p) => ({ ...p, name: `unet.${p.name}` })),
    ],
    loss(graph, weights) {
      const sample = input(graph, 'sample', 'float32', shape);
      const target = input(graph, 'target', 'float32', shape);
      const timestep = input(graph, 'timestep', 'float32', [batchSize]);
      const ids = input(graph, 'ids', 'int64', [batchSize, tokens]);
      const states = clipText(scope(weights, 'text_encoder'), text, ids).lastHiddenState;
      const predicted = unet2DCondition(scope(weights, 'unet'), unet, {
        sample,
        timestep,
        encoderHiddenStates: states,
      });
      const difference = sub(predicted, target);
      return reduceMean(mul(difference, difference));
    },
  };
}

function sampleSide(unet: UNetConfig): number {
  if (typeof unet.sample_size !== 'number')
    throw new RangeError('a twin needs square latents: unet sample_size must be one number');
  return unet.sample_size;
}

/**
 * Trains a denoiser and its text encoder together on v-prediction (`noiseRow`), unit weight. The two networks' weights
 * come back under `unet.` and `text_encoder.`.
 */
export async function trainTwin(options: {
  readonly name: string;
  readonly unet: UNetConfig;
  readonly text: ClipTextConfig;
  /** Ascending training sigmas; the index is the timestep. */
  readonly sigmas: Float64Array;
  readonly data: TwinData;
  readonly levels: NoiseLevels;
  readonly captionDropout: number;
  readonly optimisation: Optimisation;
  readonly restarts?: readonly Cycle[];
  readonly seed: number;
  readonly digest: string;
  readonly context: LabContext;
}): Promise<TrainedNetwork> {
  const { data, sigmas, optimisation, seed } = options;
  const batchSize = optimisation.batchSize;
  const sampleShape = [batchSize, ...data.latents.shape.slice(1)];
  const sampleLength = sampleShape.slice(1).reduce((a, b) => a * b, 1);
  const tokens = data.ids.shape[1]!;
  const draw = epochBatches(data.pictureOf.length, batchSize, hashSeed(seed, options.name));
  const timestepOf = timestepSampler(sigmas, options.levels);
  const twin = twinLoss({ unet: options.unet, text: options.text, batchSize, tokens });
  return trainNetwork({
    work: options.name,
    parameters: twin.parameters,
    loss: twin.loss,
    batch: (step) => {
      // Twins share the stream of noise, levels and dropout: they differ in their data alone.
      const random = createRandom(hashSeed(seed, 'twin-noise', step));
      const sample = new Float32Array(batchSize * sampleLength);
      const target = new Float32Array(batchSize * sampleLength);
      const timestep = new Float32Array(batchSize);
      const ids = new BigInt64Array(batchSize * tokens);
      draw(step).forEach((entry, row) => {
        const from = data.pictureOf[entry]! * sampleLength;
        const clean = data.latents.data.subarray(from, from + sampleLength);
        timestep[row] = noiseRow(clean, { sigmas, timestepOf, random }, { sample, target }, row);
        const caption =
          random.uniform() < options.captionDropout ? data.emptyCaption : data.captionOf[entry]!;
        ids.set(data.ids.data.subarray(caption * tokens, (caption + 1) * tokens), row * tokens);
      });
      return {
        sample: floatTensor(sampleShape, sample),
        target: floatTensor(sampleShape, target),
        timestep: floatTensor([batchSize], timestep),
        ids: { dtype: 'int64', shape: [batchSize, tokens], data: ids },
      };
    },
    optimisation,
    ...(options.restarts && { restarts: options.restarts }),
    // Both twins start from the same weights.
    seed: hashSeed(seed, 'twin'),
    digest: options.digest,
    context: options.context,
  });
}
