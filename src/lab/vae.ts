import { add, clip, exp, input, mul, reduceMean, split, sub } from '../graph/index.ts';
import { type Picture, picturesToTensor } from '../images/index.ts';
import { createRandom, floatTensor, hashSeed } from '../math/index.ts';
import { type Parameter, type VaeConfig, vaeDecode, vaeEncode, vaeParameters } from '../models/index.ts';
import type { LossBuilder } from '../training/index.ts';
import { epochBatches } from './batches.ts';
import { type LabContext, type Optimisation, type TrainedNetwork, trainNetwork } from './network.ts';

/** The autoencoder's loss on one batch, as a graph, and the weights that it trains. */
export function vaeLoss(options: {
  readonly config: VaeConfig;
  readonly pictureSize: number;
  readonly batchSize: number;
  readonly klWeight: number;
}): {
  readonly parameters: readonly Parameter[];
  readonly loss: LossBuilder;
  readonly latentShape: readonly number[];
} {
  const { config, pictureSize, batchSize, klWeight } = options;
  const side = pictureSize / 2 ** (config.block_out_channels.length - 1);
  const channels = config.latent_channels;
  const latentShape = [batchSize, channels, side, side];
  return {
    latentShape,
    parameters: vaeParameters(config),
    loss(graph, weights) {
      const picture = input(graph, 'picture', 'float32', [batchSize, 3, pictureSize, pictureSize]);
      const noise = input(graph, 'noise', 'float32', latentShape);
      const [mean, raw] = split(vaeEncode(weights, config, picture), [channels, channels], 1);
      const logVariance = clip(raw!, -30, 20);
      const latents = add(mean!, mul(exp(mul(logVariance, 0.5)), noise));
      const difference = sub(vaeDecode(weights, config, latents), picture);
      // KL(N(mean, e^logVariance) ‖ N(0, 1)) per latent value.
      const kl = mul(sub(sub(add(mul(mean!, mean!), exp(logVariance)), logVariance), 1), 0.5);
      return add(reduceMean(mul(difference, difference)), mul(reduceMean(kl), klWeight));
    },
  };
}

/**
 * Trains the autoencoder: mean squared error in [−1, 1] plus a small KL term (Rombach 2022, without its
 * perceptual and adversarial parts: our scenes are drawn, not photographed, and need neither).
 * It sees the unique pictures alone, so it knows no planted item, as Stable Diffusion's own first stage
 * was trained on other data than its denoiser.
 */
export async function trainVae(options: {
  readonly config: VaeConfig;
  readonly pictureSize: number;
  readonly klWeight: number;
  /** Number of pictures to learn from, and how to get one. */
  readonly size: number;
  readonly picture: (index: number) => Promise<Picture>;
  readonly optimisation: Optimisation;
  readonly seed: number;
  readonly digest: string;
  readonly context: LabContext;
}): Promise<TrainedNetwork> {
  const { config, pictureSize, optimisation, seed } = options;
  const batchSize = optimisation.batchSize;
  const vae = vaeLoss({ config, pictureSize, batchSize, klWeight: options.klWeight });
  const draw = epochBatches(options.size, batchSize, hashSeed(seed, 'vae'));
  return trainNetwork({
    work: 'vae',
    parameters: vae.parameters,
    loss: vae.loss,
    batch: async (step) => {
      const pictures = await Promise.all(Array.from(draw(step), (index) => options.picture(index)));
      const random = createRandom(hashSeed(seed, 'vae-noise', step));
      const noise = new Float32Array(vae.latentShape.reduce((a, b) => a * b, 1));
      for (let i = 0; i < noise.length; i++) noise[i] = random.normal();
      return { picture: picturesToTensor(pictures), noise: floatTensor(vae.latentShape, noise) };
    },
    optimisation,
    seed: hashSeed(seed, 'vae'),
    digest: options.digest,
    context: options.context,
  });
}
