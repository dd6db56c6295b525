import type { Denoiser, SeededNoise } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { floatTensor, gatherBatch, rowsOfBatch, sampleLength, type Tensor } from '../../math/index.ts';

/** What is asked about every picture: all combinations. */
export interface LossQueries {
  /** Training timesteps, 0 to T − 1. */
  readonly timesteps: readonly number[];
  /** Noise draws: seeds 0 to draws − 1, the same for every picture and every model. */
  readonly draws: number;
  /** Whether the mirrored picture is asked about too. */
  readonly flips: boolean;
}

/** Losses that one picture gives: timesteps × (plain, mirrored) × draws, in that order. */
export function lossesPerPicture({ timesteps, draws, flips }: LossQueries): number {
  return timesteps.length * (flips ? 2 : 1) * draws;
}

/** @throws VerbatimError (exit code 2) for no draw, no timestep, one twice, or one that the schedule does not have */
export function checkQueries({ timesteps, draws }: LossQueries, { sigmas }: Pick<Denoiser, 'sigmas'>): void {
  if (!Number.isInteger(draws) || draws < 1)
    throw new VerbatimError(`noise draws must be a whole number of at least 1, got ${draws}`, {
      exitCode: 2,
    });
  if (timesteps.length === 0)
    throw new VerbatimError('the loss needs at least one timestep, such as 100', { exitCode: 2 });
  if (new Set(timesteps).size !== timesteps.length)
    throw new VerbatimError(`a timestep stands twice in ${timesteps.join(', ')}`, { exitCode: 2 });
  const wrong = timesteps.find((t) => !Number.isInteger(t) || t < 0 || t >= sigmas.length);
  if (wrong !== undefined)
    throw new VerbatimError(
      `timestep ${wrong} does not lie in the model's schedule, 0 to ${sigmas.length - 1}`,
      { exitCode: 2 },
    );
}

/**
 * The denoising loss mean((ε − ε̂)²) of samples at one training timestep: what the network was trained to make small, and the
 * statistic of membership inference (Carlini et al. 2023, section 5). In x = x0 + σ·ε every parametrisation's prediction of the
 * noise is ε̂ = (x − D)/σ, so ε − ε̂ = (D − x0)/σ and the loss is mean((D − x0)²)/σ². For a network that predicts ε this
 * is its own loss, for one that predicts v it is v's loss times ᾱ, for one that predicts x0 that loss over σ²: at one timestep the
 * same up to a factor.
 *
 * @param clean [n, c, h, w], what the denoiser is to find
 * @param noise [n, c, h, w] of unit variance
 * @param condition of batch n or 1
 * @returns n losses; NaN where the network gave one
 */
export async function denoisingLoss(
  denoiser: Pick<Denoiser, 'denoise' | 'sigmas'>,
  clean: Tensor<'float32'>,
  noise: Tensor<'float32'>,
  timestep: number,
  condition: Tensor<'float32'>,
): Promise<Float64Array> {
  const sigma = denoiser.sigmas[timestep];
  if (sigma === undefined) throw new RangeError(`there is no timestep ${timestep}`);
  const noised = floatTensor(
    clean.shape,
    clean.data.map((value, i) => value + sigma * noise.data[i]!),
  );
  const denoised = await denoiser.denoise(noised, sigma, condition);
  const length = sampleLength(clean);
  return Float64Array.from({ length: clean.shape[0]! }, (_, n) => {
    let sum = 0;
    for (let i = n * length; i < (n + 1) * length; i++) sum += (denoised.data[i]! - clean.data[i]!) ** 2;
    return sum / length / sigma ** 2;
  });
}

export interface LossOptions {
  readonly queries: LossQueries;
  readonly noise: SeededNoise;
  /** Samples in one call, so that memory does not grow with the draws. */
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of losses that came to be. */
  readonly onBatch?: (losses: number) => void;
}

/**
 * All losses of some pictures: [pictures × lossesPerPicture], the losses of a picture one after the other.
 *
 * @param plain [pictures, c, h, w] as the denoiser sees them
 * @param mirrored the mirrored pictures, asked for where queries.flips
 * @param condition of as many, or 1
 */
export async function queryLosses(
  denoiser: Denoiser,
  plain: Tensor<'float32'>,
  mirrored: Tensor<'float32'> | undefined,
  condition: Tensor<'float32'>,
  { queries, noise, batch, signal, onBatch }: LossOptions,
): Promise<Float64Array> {
  checkQueries(queries, denoiser);
  if (queries.flips !== (mirrored !== undefined)) throw new RangeError('mirrored pictures go with flips');
  const { timesteps, draws } = queries;
  const pictures = plain.shape[0]!;
  const sides = mirrored === undefined ? [plain] : [plain, mirrored];
  const each = lossesPerPicture(queries);
  const perTimestep = sides.length * draws;
  const losses = new Float64Array(pictures * each);
  const seeds = Array.from({ length: draws }, (_, seed) => seed);
  const noises = noise(seeds, denoiser.sampleShape, 0);
  for (const [t, timestep] of timesteps.entries())
    for (const [side, clean] of sides.entries())
      for (let from = 0; from < pictures * draws; from += batch) {
        signal?.throwIfAborted();
        const rows = Array.from({ length: Math.min(batch, pictures * draws - from) }, (_, i) => from + i);
        const of = rows.map((row) => Math.floor(row / draws));
        const found = await denoisingLoss(
          denoiser,
          gatherBatch(clean, of),
          gatherBatch(
            noises,
            rows.map((row) => row % draws),
          ),
          timestep,
          condition.shape[0] === 1 ? rowsOfBatch(condition, 0, rows.length) : gatherBatch(condition, of),
        );
        rows.forEach((row, i) => {
          losses[of[i]! * each + t * perTimestep + side * draws + (row % draws)] = found[i]!;
        });
        onBatch?.(rows.length);
      }
  return losses;
}
