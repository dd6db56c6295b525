import { type Picture, resize } from '../../images/index.ts';

/**
 * Side to which pictures are brought before copies are looked for, pixels. What survives here is composition, edges
 * and colours; compression and resampling mostly do not, and every picture costs the same.
 */
export const workingSide = 32;
/** Side of a cell, the unit in which two pictures agree or do not, pixels. */
export const cellSide = 4;
/** Cells per row and column. */
export const cellsAcross = workingSide / cellSide;
export const cellCount = cellsAcross * cellsAcross;

/** A picture at the working size, [side, side, 3], values in [0, 1]. */
export interface WorkingPicture {
  readonly width: typeof workingSide;
  readonly height: typeof workingSide;
  readonly data: Float32Array;
}

/** A picture as copies are looked for in it. Pictures of a collection must have the same shape before. */
export function workingPicture(picture: Picture): WorkingPicture {
  const small =
    picture.width === workingSide && picture.height === workingSide
      ? picture
      : resize(picture, workingSide, workingSide, picture.width < workingSide ? 'bicubic' : 'box');
  return { width: workingSide, height: workingSide, data: Float32Array.from(small.data, (v) => v / 255) };
}
