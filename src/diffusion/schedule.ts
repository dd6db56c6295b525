import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { checkSchedulerFields } from './scheduler-fields.ts';

/** What the network's output means; diffusers' `prediction_type`. */
export type Parametrization = 'epsilon' | 'v_prediction' | 'sample';
export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';

/** A variance-preserving training schedule in float64; index = training timestep. */
export interface NoiseSchedule {
  /** Cumulative product of (1 − β), descending: `x_t = √ᾱ·x0 + √(1−ᾱ)·ε`. */
  readonly alphasCumprod: Float64Array;
  /** `√((1−ᾱ)/ᾱ)`, ascending: the noise level of `x_t / √ᾱ = x0 + sigma·ε`. */
  readonly sigmas: Float64Array;
  readonly parametrization: Parametrization;
}

/**
 * β per training timestep, as diffusers defines the three schedules: 'linear' between the ends,
 * 'scaled_linear' linear in √β (Stable Diffusion), 'squaredcos_cap_v2' from the squared cosine ᾱ of
 * Nichol and Dhariwal 2021, capped at .999, which ignores the ends.
 */
export function makeBetas(kind: BetaSchedule, steps: number, start: number, end: number): Float64Array {
  const betas = new Float64Array(steps);
  const alphaBar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  for (let i = 0; i < steps; i++) {
    const ramp = i / (steps - 1);
    if (kind === 'linear') betas[i] = start + (end - start) * ramp;
    else if (kind === 'scaled_linear')
      betas[i] = (Math.sqrt(start) + (Math.sqrt(end) - Math.sqrt(start)) * ramp) ** 2;
    else betas[i] = Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), 0.999);
  }
  return betas;
}

/** The schedule that betas in (0, 1) define. Sums up in float64, where diffusers uses float32. */
export function scheduleFromBetas(betas: Float64Array, parametrization: Parametrization): NoiseSchedule {
  let product = 1;
  return scheduleOf(
    betas.map((beta) => {
      product *= 1 - beta;
      return product;
    }),
    parametrization,
  );
}

function scheduleOf(alphasCumprod: Float64Array, parametrization: Parametrization): NoiseSchedule {
  const sigmas = alphasCumprod.map((alpha) => Math.sqrt((1 - alpha) / alpha));
  return { alphasCumprod, sigmas, parametrization };
}

/**
 * ᾱ of the last timestep where it should be 0: σ_max would be infinite, and is 4096 with this. The number is that of diffusers'
 * Euler and DPM++ schedulers; its DDIM has 0.
 */
const almostZero = 2 ** -24;

/**
 * The schedule with zero terminal SNR, Lin et al. 2023 ("Common diffusion noise schedules and sample steps are
 * flawed"), algorithm 1: √ᾱ is shifted so that the last timestep is pure noise, and scaled so that the first one stays.
 *
 * @throws RangeError for 'epsilon': at the last timestep the network is given ε and asked for ε, and x0 = x − σ·ε̂ would be
 *   its error times 4096.
 */
export function withZeroTerminalSnr({ alphasCumprod, parametrization }: NoiseSchedule): NoiseSchedule {
  if (parametrization === 'epsilon') throw new RangeError('zero terminal SNR needs v or sample prediction');
  const first = Math.sqrt(alphasCumprod[0]!);
  const last = Math.sqrt(alphasCumprod[alphasCumprod.length - 1]!);
  const scale = first / (first - last);
  const rescaled = alphasCumprod.map((alpha) => ((Math.sqrt(alpha) - last) * scale) ** 2);
  rescaled[rescaled.length - 1] = almostZero;
  return scheduleOf(rescaled, parametrization);
}

/** Stable Diffusion's schedule: scaled linear .00085 to .012 over 1,000 timesteps; σ .0291672 to 14.614641. */
export function stableDiffusionSchedule(parametrization: Parametrization): NoiseSchedule {
  return scheduleFromBetas(makeBetas('scaled_linear', 1000, 0.00085, 0.012), parametrization);
}

const COMMON = { start: 0.0001, end: 0.02 };
const SENSIBLE = { start: 0.00085, end: 0.012 };
/** The end points of β that a scheduler class of diffusers takes when its config does not give them. */
const CLASS_DEFAULTS: Readonly<Record<string, { start: number; end: number }>> = {
  DDIMScheduler: COMMON,
  DDPMScheduler: COMMON,
  PNDMScheduler: COMMON,
  LMSDiscreteScheduler: COMMON,
  EulerDiscreteScheduler: COMMON,
  EulerAncestralDiscreteScheduler: COMMON,
  HeunDiscreteScheduler: SENSIBLE,
  KDPM2DiscreteScheduler: SENSIBLE,
  KDPM2AncestralDiscreteScheduler: SENSIBLE,
  DPMSolverMultistepScheduler: COMMON,
  DPMSolverSinglestepScheduler: COMMON,
  DEISMultistepScheduler: COMMON,
  UniPCMultistepScheduler: COMMON,
};

const configSchema = z.looseObject({
  _class_name: z.string().default('DDPMScheduler'),
  num_train_timesteps: z.number().int().min(2).max(1_000_000).default(1000),
  beta_start: z.number().gt(0).lt(1).optional(),
  beta_end: z.number().gt(0).lt(1).optional(),
  beta_schedule: z.string().default('linear'),
  trained_betas: z.array(z.number().gt(0).lt(1)).min(2).nullish(),
  prediction_type: z.string().default('epsilon'),
  rescale_betas_zero_snr: z.boolean().nullish(),
});

/** Classes of diffusers that know `rescale_betas_zero_snr`; the others ignore it, so nobody can have sampled with it. */
const ZERO_SNR_CLASSES = [
  'DDIMScheduler',
  'DDPMScheduler',
  'EulerDiscreteScheduler',
  'EulerAncestralDiscreteScheduler',
  'DPMSolverMultistepScheduler',
  'UniPCMultistepScheduler',
];

/**
 * Reads the training schedule out of a diffusers `scheduler_config.json` (already parsed). Only what the
 * network was trained with matters here: sampling settings of the scheduler class are read but change
 * nothing (see `checkSchedulerFields`). Absent fields take the class's defaults. Refused by name: other
 * classes, β schedules and prediction types, fields that diffusers does not know, flow matching, and
 * `rescale_betas_zero_snr` for ε prediction (see `withZeroTerminalSnr`) and in classes that ignore it.
 * `where` names the file in error messages.
 */
export function scheduleFromConfig(config: unknown, where: string): NoiseSchedule {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new VerbatimError(`${where}: "${issue.path.join('.') || 'the file'}": ${issue.message}.`);
  }
  const fields = parsed.data;
  const refuse = (key: string, value: string, known: readonly string[]) =>
    new VerbatimError(`${where}: "${key}" is "${value}"; supported: ${known.join(', ')}.`);

  // The name is a file's: "constructor" is no scheduler.
  const defaults = Object.hasOwn(CLASS_DEFAULTS, fields._class_name)
    ? CLASS_DEFAULTS[fields._class_name]
    : undefined;
  if (!defaults) throw refuse('_class_name', fields._class_name, Object.keys(CLASS_DEFAULTS));
  checkSchedulerFields(fields, where);
  const schedules: readonly BetaSchedule[] = ['linear', 'scaled_linear', 'squaredcos_cap_v2'];
  const kinds: readonly Parametrization[] = ['epsilon', 'v_prediction', 'sample'];
  const betaSchedule = schedules.find((name) => name === fields.beta_schedule);
  const parametrization = kinds.find((name) => name === fields.prediction_type);
  if (!parametrization) throw refuse('prediction_type', fields.prediction_type, kinds);
  if (!betaSchedule && !fields.trained_betas) throw refuse('beta_schedule', fields.beta_schedule, schedules);
  if (fields.trained_betas && fields.trained_betas.length !== fields.num_train_timesteps)
    throw new VerbatimError(
      `${where}: "trained_betas" has ${fields.trained_betas.length} values, "num_train_timesteps" says ${fields.num_train_timesteps}.`,
    );
  const betas = fields.trained_betas
    ? Float64Array.from(fields.trained_betas)
    : makeBetas(
        betaSchedule!,
        fields.num_train_timesteps,
        fields.beta_start ?? defaults.start,
        fields.beta_end ?? defaults.end,
      );
  const schedule = scheduleFromBetas(betas, parametrization);
  if (fields.rescale_betas_zero_snr !== true) return schedule;
  if (!ZERO_SNR_CLASSES.includes(fields._class_name))
    throw new VerbatimError(
      `${where}: "rescale_betas_zero_snr" is ignored by ${fields._class_name}; set it to false, or name a class that knows it: ${ZERO_SNR_CLASSES.join(', ')}.`,
    );
  if (parametrization === 'epsilon')
    throw new VerbatimError(
      `${where}: "rescale_betas_zero_snr" makes the last timestep pure noise, from which a network that predicts ε tells nothing of the picture; set "prediction_type" to "v_prediction" if that is what it was trained with, else "rescale_betas_zero_snr" to false.`,
    );
  return withZeroTerminalSnr(schedule);
}
