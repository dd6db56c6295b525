import type { Picture } from '../images/index.ts';
import {
  type CopyCollection,
  copyCollection,
  type PictureCollection,
  pictureView,
  type Unrelated,
  unrelatedPictures,
} from '../labels/index.ts';
import { remembered } from './data.ts';
import type { ModelInput } from './flow.ts';
import { requireHeldOut } from './held-out.ts';
import { errorText } from './stage.ts';

/** What generated pictures are compared with, at the model's picture size. */
export interface Compared {
  readonly training: PictureCollection;
  /** The training set as copies are looked for in it. */
  readonly copies: CopyCollection;
  /** The held-out pictures that can be read; read once. */
  heldOut(onProgress?: (read: number, size: number) => void): Promise<HeldOutPictures>;
  /** Those that stand for unrelated pictures; made once. */
  unrelated(): Promise<Unrelated>;
}

export interface HeldOutPictures {
  readonly pictures: readonly Picture[];
  /** Why the others cannot be read. */
  readonly errors: readonly string[];
}

/**
 * Training and held-out pictures as the model was taught them, at its picture size: the ones give the
 * thresholds, generated pictures of that size the distances, and both must mean the same.
 */
export function comparedPictures({ config, data, generator, signal }: ModelInput): Compared {
  const [height, width] = generator.pictureSize;
  const viewed = (pictures: PictureCollection): PictureCollection => ({
    size: pictures.size,
    picture: async (index) => pictureView(await pictures.picture(index), { width, height }),
  });
  const training = remembered(viewed(data.training));
  let read: Promise<HeldOutPictures> | undefined;
  let made: Promise<Unrelated> | undefined;
  const compared: Compared = {
    training,
    copies: copyCollection(training),
    heldOut(onProgress) {
      requireHeldOut(config, data.heldOut);
      read ??= readAll(viewed(data.heldOut!), signal, onProgress);
      return read;
    },
    unrelated() {
      made ??= compared.heldOut().then(({ pictures }) => unrelatedPictures(pictures));
      return made;
    },
  };
  return compared;
}

async function readAll(
  heldOut: PictureCollection,
  signal: AbortSignal | undefined,
  onProgress?: (read: number, size: number) => void,
): Promise<HeldOutPictures> {
  const pictures: Picture[] = [];
  const errors: string[] = [];
  for (let index = 0; index < heldOut.size; index += 1) {
    signal?.throwIfAborted();
    onProgress?.(index, heldOut.size);
    try {
      pictures.push(await heldOut.picture(index));
    } catch (error) {
      errors.push(errorText(error));
    }
  }
  return { pictures, errors };
}
