import { closest } from 'fastest-levenshtein';
import { VerbatimError } from '../errors.ts';

/**
 * Fields of the `scheduler_config.json` files of diffusers (0.42), by what they mean for us: 'training' fields give the
 * noise schedule; 'sampling' ones say how that class would walk along it and change nothing here, since our samplers
 * take their levels from the caller; 'limit' fields change the clean estimate itself, which only pixel models want.
 * A list holds the values that switch off what we do not compute.
 */
const fields: Readonly<Record<string, 'training' | 'sampling' | 'limit' | readonly unknown[]>> = {
  num_train_timesteps: 'training',
  beta_start: 'training',
  beta_end: 'training',
  beta_schedule: 'training',
  trained_betas: 'training',
  prediction_type: 'training',
  rescale_betas_zero_snr: 'training',

  clip_sample: 'limit',
  clip_sample_range: 'limit',
  thresholding: 'limit',
  dynamic_thresholding_ratio: 'limit',
  sample_max_value: 'limit',

  algorithm_type: 'sampling',
  corrector_order: 'sampling',
  disable_corrector: 'sampling',
  euler_at_final: 'sampling',
  final_sigmas_type: 'sampling',
  flow_shift: 'sampling',
  interpolation_type: 'sampling',
  lambda_min_clipped: 'sampling',
  lower_order_final: 'sampling',
  noise_sampler_seed: 'sampling',
  predict_x0: 'sampling',
  set_alpha_to_one: 'sampling',
  sigma_max: 'sampling',
  sigma_min: 'sampling',
  skip_prk_steps: 'sampling',
  solver_order: 'sampling',
  solver_p: 'sampling',
  solver_type: 'sampling',
  steps_offset: 'sampling',
  time_shift_type: 'sampling',
  timestep_spacing: 'sampling',
  use_beta_sigmas: 'sampling',
  use_exponential_sigmas: 'sampling',
  use_karras_sigmas: 'sampling',
  use_lu_lambdas: 'sampling',
  variance_type: 'sampling',
  // Of old versions, without effect.
  tensor_format: 'sampling',
  timesteps: 'sampling',

  use_flow_sigmas: [false, null],
  use_dynamic_shifting: [false, null],
  shift_terminal: [null],
  // 'continuous': the network is told ln σ / 4, as in Karras et al. 2022.
  timestep_type: ['discrete'],
  // Before prediction_type: false meant 'sample'.
  predict_epsilon: [true, null],
};

/** Every field that is read, for the table in docs/models.md. */
export function schedulerFieldNames(): readonly string[] {
  return Object.keys(fields);
}

/** Refuses by name what is not computed, and fields that diffusers does not know. `where` names the file. */
export function checkSchedulerFields(config: Readonly<Record<string, unknown>>, where: string): void {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith('_')) continue;
    const kind = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (kind === undefined)
      throw new VerbatimError(
        `${where}: unknown field "${key}"; did you mean "${closest(key, schedulerFieldNames())}"?`,
      );
    if (Array.isArray(kind) && !kind.includes(value))
      throw new VerbatimError(`${where}: "${key}" is not supported; set it to ${JSON.stringify(kind[0])}.`);
  }
}

/** Classes of diffusers that clip the clean estimate when `clip_sample` says so; the others ignore the field. */
const clipping = ['DDIMScheduler', 'DDPMScheduler', 'HeunDiscreteScheduler'];

/**
 * Refuses limits on the clean estimate, for latent models: latents go far beyond ±1, and Stable Diffusion was never
 * sampled so. A field that is absent is taken as off, whatever its class's default.
 */
export function refuseLimits(config: Readonly<Record<string, unknown>>, where: string): void {
  const set = [
    ...(clipping.includes(String(config['_class_name'])) ? ['clip_sample'] : []),
    'thresholding',
  ].find((key) => config[key] === true);
  if (set !== undefined)
    throw new VerbatimError(
      `${where}: "${set}" is not supported for a model of latents, which exceed ±1; set it to false.`,
    );
}
