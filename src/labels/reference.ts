import { type Mask, maskPicture, type Picture, resize, sumSquaredDifference } from '../images/index.ts';

/** Side to which the reference code brings every picture, pixels. */
export const referenceSide = 256;

/**
 * Threshold of the reference code on Σ (a − b)² at 256×256, values in [0, 1]: a mean square of .0127, an
 * RMS of .113 (the paper quotes .12). Far too lax for small or plain pictures: see docs/labels.md.
 */
export const referenceThreshold = 2.5e3;

/** The same for a retrieved picture (RV). */
export const referenceRetrievalThreshold = 3e3;

/** A picture as the reference rule sees it: 256×256, Pillow's bicubic, rounded to 8 bits. */
export function referenceView(picture: Picture): Picture {
  if (picture.width === referenceSide && picture.height === referenceSide) return picture;
  return resize(picture, referenceSide, referenceSide, 'bicubic');
}

/**
 * Σ (a − b)² over the RGB values in [0, 1] of two pictures, each at 256×256 (196,608 values, so the
 * range is 0 to 196,608). The matching rule of Webster 2023's ground truth: verbatim when the smallest
 * over the samples is < 2.5e3. One call judges one sample; the minimum over samples is taken over rows.
 */
export function referenceDistance(a: Picture, b: Picture): number {
  return sumSquaredDifference(referenceView(a), referenceView(b));
}

/**
 * Σ (m·(t − x))² / mean(m) at 256×256 for a template t and its mask m: the reference's distance for template verbatims.
 * Infinite for a mask that leaves nothing.
 *
 * @param mask of any size: resized to 256×256 as the reference resizes pictures
 */
export function referenceTemplateDistance(template: Picture, picture: Picture, mask: Mask): number {
  const weights = referenceView(maskPicture(mask)).data;
  const a = referenceView(template).data;
  const b = referenceView(picture).data;
  let sum = 0;
  let set = 0;
  for (let i = 0; i < a.length; i++) {
    const weight = weights[i]! / 255;
    sum += (weight * (a[i]! - b[i]!)) ** 2;
    set += weight;
  }
  return set === 0 ? Number.POSITIVE_INFINITY : sum / (255 * 255) / (set / a.length);
}
