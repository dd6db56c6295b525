import type { Picture, PictureOrError } from '../images/index.ts';
import type { Tensor } from '../math/index.ts';
import type { Denoiser } from './types.ts';

/**
 * A whole diffusion model, ready to run: what attacks, generation and the lab work with.
 */
export interface Pipeline {
  readonly name: string;
  /** SHA-256 over the weights and configs, hex: tables name the model by it. */
  readonly digest: string;
  readonly denoiser: Denoiser;
  /** Guidance scale stored with the model; 1 means unguided. */
  readonly guidance: number;
  /** What `encodeText` takes: captions, class labels written as captions, or only the empty caption. */
  readonly conditions: 'captions' | 'classes' | 'none';
  /** Height and width in pixels of the pictures that it makes and was taught. */
  readonly pictureSize: readonly [height: number, width: number];
  /** Text states [captions, tokens, width]; the empty caption '' is the unconditional one. Classes: [captions, 1, 1]. */
  encodeText(captions: readonly string[]): Promise<Tensor<'float32'>>;
  /**
   * Latents [n, c, h, w] as the denoiser sees them (scaled) → pictures. Where the model gave something that is
   * not a number, an error stands in the place of that picture.
   */
  decode(latents: Tensor<'float32'>): Promise<PictureOrError[]>;
  /** Pictures of the model's own size → latents as the denoiser sees them: mean of the posterior, scaled. */
  encode(pictures: readonly Picture[]): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}
