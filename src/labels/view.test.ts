import { describe, expect, it } from 'vitest';
import { crop, resize, rms } from '../images/index.ts';
import { calibratedLabel } from './label.ts';
import { nearestPictures } from './nearest.ts';
import { collectionOf, noisePicture } from './testing/pictures.ts';
import { pictureView } from './view.ts';

const size = { width: 8, height: 8 };

describe('pictureView', () => {
  it('leaves a picture of the size as it is', () => {
    const picture = noisePicture(1);
    expect(pictureView(picture, size)).toBe(picture);
  });

  it('cuts the middle out of another shape, and bends nothing', () => {
    const wide = noisePicture(2, 32, 16);
    expect(pictureView(wide, size)).toEqual(crop(resize(wide, 16, 8, 'bicubic'), 4, 0, 8, 8));
  });

  it('is what the calibrated rule compares with, own pictures and all others alike', async () => {
    const wide = noisePicture(3, 40, 24);
    const picture = noisePicture(4);
    const expected = rms(picture, pictureView(wide, size));
    const { neighbours } = await nearestPictures([picture], collectionOf([wide]));
    expect(neighbours[0]!.distance).toBeCloseTo(expected, 12);
    const own = [{ index: 0, image: null, picture: wide }];
    const label = calibratedLabel({ key: 'k', sample: 0, image: 'i', picture, own }, neighbours[0]!, 0.01);
    expect(label.distance).toBe(neighbours[0]!.distance);
  });
});
