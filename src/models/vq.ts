import { argMax, gather, matmul, mul, reduceSum, sub, swapLast, type Value } from '../graph/index.ts';
import { convLayer, knownSize, scaled, toPicture, toSequence } from './layers.ts';
import type { VqConfig } from './unet2d-config.ts';
import { decoderNetwork, encoderNetwork } from './vae.ts';
import { scope, type Weights } from './weights.ts';

/** Width of a codebook entry: the channels of the latents that the UNet sees. */
export function vqChannels(config: VqConfig): number {
  return config.vq_embed_dim ?? config.latent_channels;
}

/**
 * VQModel's encoder: sample float32 [batch, in_channels, height, width] in [−1, 1] → [batch, vq_embed_dim,
 * height / f, width / f], not yet quantised and unscaled: what `VQModel.encode` gives.
 */
export function vqEncode(w: Weights, config: VqConfig, sample: Value): Value {
  const latent = config.latent_channels;
  const h = encoderNetwork(scope(w, 'encoder'), config, sample, latent);
  return convLayer(scope(w, 'quant_conv'), h, latent, vqChannels(config), { kernel: 1 });
}

/**
 * VQModel's decoder: latents float32 [batch, vq_embed_dim, h, w], unscaled → picture [batch, out_channels,
 * h · f, w · f], about [−1, 1]. Every position is first replaced by the nearest entry of the codebook (van den
 * Oord et al. 2017, equation 1), the first of equally near ones.
 */
export function vqDecode(w: Weights, config: VqConfig, latents: Value): Value {
  const width = vqChannels(config);
  const quantised = quantise(w, config, latents);
  const h = convLayer(scope(w, 'post_quant_conv'), quantised, width, config.latent_channels, { kernel: 1 });
  return decoderNetwork(scope(w, 'decoder'), config, h);
}

/** The nearest entry e of z is that with the largest z·e − ‖e‖²/2. */
function quantise(w: Weights, config: VqConfig, latents: Value): Value {
  const table = w('quantize.embedding.weight', [config.num_vq_embeddings, vqChannels(config)]);
  const half = scaled(reduceSum(mul(table, table), [1]), 0.5);
  const closeness = sub(matmul(toSequence(latents), swapLast(table)), half);
  const nearest = gather(table, argMax(closeness, 2), 0);
  return toPicture(nearest, knownSize(latents, 2), knownSize(latents, 3));
}
