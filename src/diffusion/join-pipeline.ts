import { VerbatimError } from '../errors.ts';
import { picturesToTensor, tensorToPictures } from '../images/index.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { createDenoiser, type Predict } from './denoiser.ts';
import { greyToRgb, rgbToGrey } from './grey.ts';
import type { Limit } from './limit.ts';
import type { PipelineOptions } from './pipeline.ts';
import type { Pipeline } from './pipeline.types.ts';
import { precisionDigest } from './precision.ts';
import type { NoiseSchedule } from './schedule.ts';

/** How the samples of a network become pictures and back. */
export interface Codec {
  readonly pictureSize: readonly [height: number, width: number];
  encode(pictures: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  decode(samples: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** The codec of a network whose samples [channels, height, width] are pictures themselves, in colour or grey. */
export function pictureCodec([channels, height, width]: readonly [number, number, number]): Codec {
  const grey = channels === 1;
  return {
    pictureSize: [height, width],
    encode: async (pictures) => (grey ? rgbToGrey(pictures) : pictures),
    decode: async (samples) => (grey ? greyToRgb(samples) : samples),
    close: async () => {},
  };
}

/** Twice the channels are the mean and the variance only where the scheduler says that it is learned. */
export function checkVariance(
  unet: { readonly in_channels: number; readonly out_channels: number },
  scheduler: Readonly<Record<string, unknown>>,
  where: string,
): void {
  const type = scheduler['variance_type'] ?? 'fixed_small';
  const learned = type === 'learned' || type === 'learned_range';
  if (learned !== (unet.out_channels === 2 * unet.in_channels))
    throw new VerbatimError(
      `${where}: "variance_type" is ${JSON.stringify(type)}, but the network gives ${unet.out_channels} channels for ${unet.in_channels}.`,
    );
}

export interface JoinedParts
  extends Pick<Pipeline, 'name' | 'digest' | 'guidance' | 'conditions' | 'encodeText' | 'close'> {
  readonly codec: Codec;
  readonly unet: {
    readonly predict: Predict;
    readonly sampleShape: readonly [number, number, number];
    /** Whether timesteps must be whole numbers. */
    readonly integerTimesteps?: boolean;
  };
  readonly schedule: NoiseSchedule;
  readonly limit: Limit | undefined;
}

/** A pipeline of a network, its codec and what it was trained with; `digest` is that of the files. */
export function joinPipeline(parts: JoinedParts, options: PipelineOptions): Pipeline {
  const { name, digest, guidance, conditions, codec, unet, schedule, limit, encodeText, close } = parts;
  const [height, width] = codec.pictureSize;
  return {
    name,
    digest: precisionDigest(digest, options.precision),
    guidance,
    conditions,
    pictureSize: codec.pictureSize,
    denoiser: createDenoiser({
      predict: unet.predict,
      schedule,
      sampleShape: unet.sampleShape,
      quantizeTimesteps: unet.integerTimesteps ?? false,
      ...(limit && { limit }),
      ...(options.batch === undefined ? {} : { batch: options.batch }),
      ...(options.meter && { meter: options.meter }),
      ...(options.signal && { signal: options.signal }),
    }),
    encodeText,
    async decode(samples) {
      return samples.shape[0] === 0 ? [] : tensorToPictures(await codec.decode(samples));
    },
    async encode(pictures) {
      if (pictures.length === 0) return floatTensor([0, ...unet.sampleShape]);
      for (const picture of pictures)
        if (picture.width !== width || picture.height !== height)
          throw new VerbatimError(
            `${name}: encodes pictures of ${width}×${height} pixels, got ${picture.width}×${picture.height}; resize first.`,
          );
      return codec.encode(picturesToTensor(pictures));
    },
    close,
  };
}
