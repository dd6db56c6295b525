export { centreCrop, coverThumbnail, crop, squareThumbnail } from './crop.ts';
export { DEFAULT_MAX_PIXELS, type DecodeOptions, decodePicture } from './decode.ts';
export {
  maskedRms,
  maskedSumSquaredDifference,
  rms,
  squaredDifference,
  sumSquaredDifference,
} from './distance.ts';
export { encodeJpeg, encodePng } from './encode.ts';
export { resizeGrey } from './grey.ts';
export { dilate, erode, type Mask, maskPicture, maskShare, pictureMask } from './mask.ts';
export { mirror } from './mirror.ts';
export type { Picture } from './picture.ts';
export { type ResizeFilter, resize } from './resize.ts';
export { edgeMap, sobelMagnitude } from './sobel.ts';
export {
  allPictures,
  isPicture,
  type PictureOrError,
  picturesToTensor,
  pictureToTensor,
  tensorToPictures,
} from './tensors.ts';
export { decodeThumbnail } from './thumbnail.ts';
