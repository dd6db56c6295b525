import type { CheckpointKind } from './derive.ts';

export type CheckpointPrediction = 'epsilon' | 'v_prediction';

/**
 * Whether the network predicts ε or v, which no shape tells: `modelspec.prediction_type` of the file's metadata
 * (https://github.com/Stability-AI/ModelSpec: "epsilon" or "v"), an empty tensor `v_pred` as trainers of SDXL leave
 * one, else what Stability's own model of that kind predicts: v for the 768 pixels of Stable Diffusion 2, ε for all
 * others.
 */
export function derivePrediction(
  kind: CheckpointKind,
  metadata: Readonly<Record<string, string>>,
  has: (name: string) => boolean,
): CheckpointPrediction {
  const stated = metadata['modelspec.prediction_type'];
  if (stated === 'v' || stated === 'v_prediction') return 'v_prediction';
  if (stated === 'epsilon') return 'epsilon';
  if (has('v_pred')) return 'v_prediction';
  return kind === 'sd2' ? 'v_prediction' : 'epsilon';
}

/** scheduler_config.json of Stability's models. An empty tensor `ztsnr` says that the last timestep is pure noise: fine-tunes of SDXL with `v_pred` have it. */
export function deriveScheduler(
  prediction: CheckpointPrediction,
  has: (name: string) => boolean,
): Record<string, unknown> {
  return {
    _class_name: 'DDIMScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    clip_sample: false,
    num_train_timesteps: 1000,
    prediction_type: prediction,
    ...(has('ztsnr') && { rescale_betas_zero_snr: true }),
  };
}

/**
 * Side of the latents for a picture of the VAE's factor: `modelspec.resolution` of the metadata ("768x768", width
 * first) as [height, width], else the size that Stability trained that kind with.
 */
export function deriveSampleSize(
  kind: CheckpointKind,
  prediction: CheckpointPrediction,
  metadata: Readonly<Record<string, string>>,
  factor: number,
): readonly [number, number] {
  const stated = /^(\d{2,5})x(\d{2,5})$/.exec(metadata['modelspec.resolution'] ?? '');
  const usual = kind === 'sdxl' ? 1024 : kind === 'sd2' && prediction === 'v_prediction' ? 768 : 512;
  const [width, height] = stated ? [Number(stated[1]), Number(stated[2])] : [usual, usual];
  return [Math.floor(height / factor), Math.floor(width / factor)];
}
