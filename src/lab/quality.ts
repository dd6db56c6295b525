import { generate, type Pipeline, type SeededNoise } from '../diffusion/index.ts';
import { allPictures, type Picture } from '../images/index.ts';
import type { Classifier } from './classifier.ts';

/** Root mean square over all values of all pictures, in [0, 1], between pictures and what the VAE makes of them. */
export async function reconstructionRms(pipeline: Pipeline, pictures: readonly Picture[]): Promise<number> {
  let sum = 0;
  let count = 0;
  const batch = 16;
  for (let from = 0; from < pictures.length; from += batch) {
    const originals = pictures.slice(from, from + batch);
    const decoded = allPictures(await pipeline.decode(await pipeline.encode(originals)));
    originals.forEach((original, i) => {
      original.data.forEach((value, at) => {
        sum += ((value - decoded[i]!.data[at]!) / 255) ** 2;
      });
      count += original.data.length;
    });
  }
  return Math.sqrt(sum / count);
}

export interface RightKindOptions {
  readonly captions: readonly string[];
  /** The class that each caption asks for. */
  readonly classes: readonly number[];
  readonly classifier: Classifier;
  readonly noise: SeededNoise;
  readonly steps: number;
  readonly guidance: number;
  readonly signal?: AbortSignal;
  readonly onPicture?: (done: number, total: number) => void;
}

/** How many samples show the kind of picture that their caption asks for, one sample per caption. */
export async function rightKind(pipeline: Pipeline, options: RightKindOptions): Promise<number> {
  const batch = 16;
  let right = 0;
  for (let from = 0; from < options.captions.length; from += batch) {
    const captions = options.captions.slice(from, from + batch);
    const { pictures } = await generate(pipeline, {
      captions,
      seeds: captions.map((_, i) => from + i),
      noise: options.noise,
      steps: options.steps,
      guidance: options.guidance,
      batch,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const shown = await options.classifier.classify(allPictures(pictures));
    shown.forEach((kind, i) => {
      if (kind === options.classes[from + i]) right++;
    });
    options.onPicture?.(from + captions.length, options.captions.length);
  }
  return right;
}

export interface GuidanceChoice {
  readonly scale: number;
  /** Right kinds at each scale that was tried. */
  readonly tried: readonly { readonly scale: number; readonly right: number; readonly captions: number }[];
}

/** The smallest scale whose samples show the right kind most often. */
export async function chooseGuidance(
  pipeline: Pipeline,
  scales: readonly number[],
  options: Omit<RightKindOptions, 'guidance'>,
): Promise<GuidanceChoice> {
  const tried = [];
  for (const scale of [...scales].sort((a, b) => a - b))
    tried.push({
      scale,
      right: await rightKind(pipeline, { ...options, guidance: scale }),
      captions: options.captions.length,
    });
  const best = Math.max(...tried.map((one) => one.right));
  return { scale: tried.find((one) => one.right === best)!.scale, tried };
}
