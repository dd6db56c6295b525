import { combineGuided, type NoiseOption, type Pipeline, seededNoise } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import { isPicture, type Picture, type PictureOrError } from '../images/index.ts';
import { expandBatch, floatTensor, gatherBatch, groupEqual, mapTensor, type Tensor } from '../math/index.ts';
import { createTextStates } from './text-states.ts';
import type { Cell, Outputs, SigmaOption, Subject } from './types.ts';

type Floats = Tensor<'float32'>;

export interface SubjectOptions {
  /** Which noise a seed stands for; part of the attack, so record it with the scores. Default 'torch-cpu'. */
  readonly noise?: NoiseOption;
  /** Memory for text states that are kept for the next batches, in bytes. Default 64 MiB. */
  readonly textStateBytes?: number;
}

/** Keeps the first promise for a key, also when it is asked for twice at once. */
function memoized<T>(): (key: string, compute: () => Promise<T>) => Promise<T> {
  const kept = new Map<string, Promise<T>>();
  return (key, compute) => {
    const known = kept.get(key);
    if (known) return known;
    const fresh = compute();
    kept.set(key, fresh);
    // A failure is not kept: the next batch may try again.
    fresh.catch(() => kept.delete(key));
    return fresh;
  };
}

/**
 * A whole pipeline under attack, with access to its denoiser. Unconditional outputs are kept per
 * (σ, seed, sign) for the subject's lifetime and text states within a memory bound, so neither is computed
 * again for the next batch. An unconditional output is computed alone, as a batch of one: then it does not
 * depend on which captions came first, and a resumed run gets the same bits.
 */
export function createSubject(pipeline: Pipeline, options: SubjectOptions = {}): Subject {
  const { denoiser } = pipeline;
  const limit = denoiser.limit ?? ((clean: Floats) => clean);
  const noiseOf = seededNoise(options.noise);
  const spent = { conditional: 0, unconditional: 0 };
  const states = createTextStates(pipeline, options.textStateBytes ?? 64 * 2 ** 20);
  const keepUnconditional = memoized<Floats>();

  const sigma = (option: SigmaOption): number => {
    if (option === 'max') return denoiser.sigmaMax;
    if (option >= denoiser.sigmaMin && option <= denoiser.sigmaMax) return option;
    throw new VerbatimError(
      `Attack option "sigma" is ${option}, but "${pipeline.name}" was trained on ${denoiser.sigmaMin.toPrecision(4)} to ${denoiser.sigmaMax.toPrecision(6)}; choose a level between, or "max".`,
      { exitCode: 2 },
    );
  };
  const key = (cell: Cell) => `${sigma(cell.sigma)} ${cell.seed} ${cell.sign ?? 1}`;
  const input = (cell: Cell): Floats => {
    const scale = sigma(cell.sigma) * (cell.sign ?? 1);
    return mapTensor(noiseOf([cell.seed], denoiser.sampleShape, 0), (value) => value * scale);
  };
  const unconditional = (cell: Cell) =>
    keepUnconditional(key(cell), async () => {
      const result = await denoiser.denoise(input(cell), sigma(cell.sigma), await states(['']));
      spent.unconditional += 1;
      return result;
    });

  return {
    name: pipeline.name,
    access: 'denoiser',
    get spent() {
      return { ...spent };
    },
    outputs(captions): Outputs {
      // Equal captions have equal outputs: the noise is shared.
      const { distinct, group } = groupEqual(captions);
      const keepConditional = memoized<Floats>();
      const keepPictures = memoized<readonly PictureOrError[]>();

      const ofDistinct = (cell: Cell) =>
        keepConditional(key(cell), async () => {
          const condition = await states(distinct);
          const x = expandBatch(input(cell), distinct.length);
          const result = await denoiser.denoise(x, sigma(cell.sigma), condition);
          spent.conditional += distinct.length;
          return result;
        });
      const guidedOfDistinct = async (cell: Cell, scale: number) => {
        const conditional = await ofDistinct(cell);
        return scale === 1 ? conditional : combineGuided(conditional, await unconditional(cell), scale);
      };
      const picturesOfDistinct = (cell: Cell, scale: number) =>
        keepPictures(`${key(cell)} ${scale}`, async () =>
          pipeline.decode(limit(await guidedOfDistinct(cell, scale))),
        );
      return {
        captions,
        sigma,
        input,
        unconditional,
        conditional: async (cell) => gatherBatch(await ofDistinct(cell), group),
        guided: async (cell, scale) => gatherBatch(await guidedOfDistinct(cell, scale), group),
        async pictures(cell, scale) {
          const pictures = await picturesOfDistinct(cell, scale);
          return group.map((index) => pictures[index]!);
        },
        encoded: async (cell, scale) =>
          gatherBatch(await encodeSound(pipeline, await picturesOfDistinct(cell, scale)), group),
      };
    },
  };
}

/** Latents of pictures, NaN where there is none. */
async function encodeSound(pipeline: Pipeline, pictures: readonly PictureOrError[]): Promise<Floats> {
  const { sampleShape } = pipeline.denoiser;
  const latents = await pipeline.encode(pictures.filter(isPicture));
  const size = sampleShape.reduce((a, b) => a * b, 1);
  const out = floatTensor([pictures.length, ...sampleShape]);
  let next = 0;
  pictures.forEach((picture, i) => {
    if (!isPicture(picture)) out.data.fill(Number.NaN, i * size, (i + 1) * size);
    else out.data.set(latents.data.subarray(next * size, ++next * size), i * size);
  });
  return out;
}

export interface ImageSubjectOptions {
  readonly name: string;
  /** One-step pictures for a caption each, from one seed. */
  readonly onestep: (
    captions: readonly string[],
    seed: number,
    guidance: number,
  ) => Promise<readonly Picture[]>;
}

/** A subject that only shows pictures, such as a service: for attacks with access 'image'. */
export function createImageSubject({ name, onestep }: ImageSubjectOptions): Subject {
  const spent = { conditional: 0, unconditional: 0 };
  const refuse = (what: string) => {
    throw new VerbatimError(`"${name}" gives only pictures, not ${what}.`, { exitCode: 2 });
  };
  return {
    name,
    access: 'image',
    get spent() {
      return { ...spent };
    },
    outputs(captions): Outputs {
      const keep = memoized<readonly Picture[]>();
      return {
        captions,
        sigma: (option) =>
          option === 'max' ? Number.POSITIVE_INFINITY : refuse(`the noise level ${option}`),
        input: () => refuse('its noise'),
        conditional: async () => refuse('its denoiser'),
        unconditional: async () => refuse('its denoiser'),
        guided: async () => refuse('its denoiser'),
        encoded: async () => refuse('its encoder'),
        pictures: (cell, scale) =>
          keep(`${cell.seed} ${scale}`, async () => {
            const pictures = await onestep(captions, cell.seed, scale);
            // A service computes both halves for every picture; nothing is shared.
            spent.conditional += captions.length * (scale === 1 ? 1 : 2);
            return pictures;
          }),
      };
    },
  };
}
