import { input, mul, reduceMean, sub } from '../../graph/index.ts';
import { createRandom, floatTensor, hashSeed, type Tensor } from '../../math/index.ts';
import {
  type Parameter,
  parseUnet2dConfig,
  type UNet2DConfig,
  unet2D,
  unet2dParameters,
} from '../../models/index.ts';
import type { LossBuilder } from '../../training/index.ts';
import { epochBatches, noiseRow, timestepSampler } from '../batches.ts';
import { type LabContext, type TrainedNetwork, trainNetwork } from '../network.ts';
import type { DdpmLabConfig } from './config.ts';

/** The network of a lab's unconditional models, for square pictures of so many pixels a side. */
export function ddpmUnetConfig({ unet }: DdpmLabConfig, pictureSize: number): UNet2DConfig {
  return parseUnet2dConfig({
    _class_name: 'UNet2DModel',
    attention_head_dim: unet.headDim,
    block_out_channels: unet.blockOutChannels,
    down_block_types: unet.attention.map((on) => (on ? 'AttnDownBlock2D' : 'DownBlock2D')),
    up_block_types: [...unet.attention].reverse().map((on) => (on ? 'AttnUpBlock2D' : 'UpBlock2D')),
    in_channels: 3,
    out_channels: 3,
    layers_per_block: unet.layersPerBlock,
    norm_num_groups: unet.normGroups,
    sample_size: pictureSize,
  });
}

/** The loss of an unconditional model on one batch, as a graph, and the weights that it trains. */
export function ddpmLoss(
  unet: UNet2DConfig,
  shape: readonly number[],
): { readonly parameters: readonly Parameter[]; readonly loss: LossBuilder } {
  return {
    parameters: unet2dParameters(unet).map((parameter) => ({ ...parameter, name: `unet.${parameter.name}` })),
    loss(graph, weights) {
      const sample = input(graph, 'sample', 'float32', shape);
      const target = input(graph, 'target', 'float32', shape);
      const timestep = input(graph, 'timestep', 'float32', [shape[0]!]);
      const predicted = unet2D((name, size) => weights(`unet.${name}`, size), unet, { sample, timestep });
      const difference = sub(predicted, target);
      return reduceMean(mul(difference, difference));
    },
  };
}

/**
 * Trains one unconditional model on v-prediction (`noiseRow`), unit weight. The weights come back under `unet.`. Models of
 * one lab start from the same weights and share the stream of noise and levels: they differ in their pictures alone.
 */
export async function trainDdpm(options: {
  readonly name: string;
  readonly config: DdpmLabConfig;
  /** [pictures, 3, side, side] in [−1, 1], all of the pool. */
  readonly pictures: Tensor<'float32'>;
  /** Positions in the pool, each as often as the training set holds it. */
  readonly entries: Int32Array;
  /** Ascending training sigmas; the index is the timestep. */
  readonly sigmas: Float64Array;
  /** Identifies everything that the result depends on. */
  readonly digest: string;
  readonly context: LabContext;
}): Promise<TrainedNetwork> {
  const { name, config, pictures, entries, sigmas } = options;
  const { lognormalShare, lognormalMean, lognormalDeviation, flips, ...optimisation } = config.training;
  const { batchSize } = optimisation;
  const [, channels, height, width] = pictures.shape as [number, number, number, number];
  const shape = [batchSize, channels, height, width];
  const length = channels * height * width;
  const draw = epochBatches(entries.length, batchSize, hashSeed(config.seed, name));
  const timestepOf = timestepSampler(sigmas, { lognormalShare, lognormalMean, lognormalDeviation });
  const { parameters, loss } = ddpmLoss(ddpmUnetConfig(config, width), shape);
  return trainNetwork({
    work: name,
    parameters,
    loss,
    batch: (step) => {
      const random = createRandom(hashSeed(config.seed, 'ddpm-noise', step));
      const sample = new Float32Array(batchSize * length);
      const target = new Float32Array(batchSize * length);
      const timestep = new Float32Array(batchSize);
      draw(step).forEach((entry, row) => {
        const from = entries[entry]! * length;
        const stored = pictures.data.subarray(from, from + length);
        const clean = flips && random.uniform() < 0.5 ? mirrored(stored, width) : stored;
        timestep[row] = noiseRow(clean, { sigmas, timestepOf, random }, { sample, target }, row);
      });
      return {
        sample: floatTensor(shape, sample),
        target: floatTensor(shape, target),
        timestep: floatTensor([batchSize], timestep),
      };
    },
    optimisation,
    seed: hashSeed(config.seed, 'ddpm'),
    digest: options.digest,
    context: options.context,
  });
}

/** The picture's rows, of all channels, from right to left. */
function mirrored(values: Float32Array, width: number): Float32Array {
  const result = Float32Array.from(values);
  for (let from = 0; from < result.length; from += width) result.subarray(from, from + width).reverse();
  return result;
}
