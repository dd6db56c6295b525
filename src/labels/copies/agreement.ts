import { maskRegion } from '../region.ts';
import { type WarpBuffers, warp } from '../transform.ts';
import type { Region, Transform } from '../types.ts';
import { cellCount, cellSide, cellsAcross, type WorkingPicture, workingSide } from './working.ts';

/**
 * Variance below which two pictures cannot be told to differ, values in [0, 1]: that of rounding, mild compression
 * and resampling (a standard deviation of 5 levels). It keeps a perfect copy's evidence finite.
 */
export const noiseVariance = 0.02 ** 2;
/** A cell explains something when unrelated pictures err e times as much there. */
const explains = 1;
/** A part stands for itself only where they err e^1.5 = 4.5 times as much. */
const stands = 1.5;
/** A picture in which less than this can be explained per cell (nats) is too plain to be a copy of anything. */
const plainPotential = 0.1;

/** How well a training picture, laid over a generated one, explains it. */
export interface Agreement {
  readonly transform: Transform;
  /**
   * The share of what could be explained that is: 0 for an unrelated picture, 1 for a perfect copy. What can be
   * explained is what unrelated pictures do not have in common with this one.
   */
  readonly explained: number;
  /** ln(unrelated pictures' error / this one's), per cell; NaN where the training picture does not reach. */
  readonly cells: Float64Array;
}

/** Mean squared error of a cell, [cells]; NaN where less than half of it is covered. */
export function cellErrors(a: Float32Array, b: Float32Array, inside?: Uint8Array): Float64Array {
  const errors = new Float64Array(cellCount);
  for (let row = 0; row < cellsAcross; row++)
    for (let column = 0; column < cellsAcross; column++) {
      let sum = 0;
      let pixels = 0;
      for (let y = row * cellSide; y < (row + 1) * cellSide; y++) {
        let pixel = y * workingSide + column * cellSide;
        for (let x = 0; x < cellSide; x++, pixel++) {
          if (inside !== undefined && inside[pixel] === 0) continue;
          pixels++;
          const i = pixel * 3;
          const red = a[i]! - b[i]!;
          const green = a[i + 1]! - b[i + 1]!;
          const blue = a[i + 2]! - b[i + 2]!;
          sum += red * red + green * green + blue * blue;
        }
      }
      errors[row * cellsAcross + column] =
        2 * pixels >= cellSide * cellSide ? sum / (3 * pixels) : Number.NaN;
    }
  return errors;
}

/** A picture is laid over another hundreds of times, and each time only its errors are kept. */
const buffers: WarpBuffers = {
  middle: new Float32Array(workingSide * workingSide * 3),
  data: new Float32Array(workingSide * workingSide * 3),
  inside: new Uint8Array(workingSide * workingSide),
};

/**
 * How well `training`, laid over `query`, explains it, against what unrelated pictures do.
 *
 * @param background mean squared error of unrelated pictures, [cells]
 */
export function agreementOf(
  query: WorkingPicture,
  background: Float64Array,
  training: WorkingPicture,
  transform: Transform,
): Agreement {
  const { data, inside } = warp(training, transform, workingSide, workingSide, buffers);
  const errors = cellErrors(query.data, data, inside);
  const cells = new Float64Array(cellCount);
  for (let cell = 0; cell < cellCount; cell++)
    cells[cell] = Math.log((background[cell]! + noiseVariance) / (errors[cell]! + noiseVariance));
  return { transform, cells, explained: explainedShare(cells, background) };
}

/** See `Agreement`; over the cells of `among` only, where given. */
export function explainedShare(cells: Float64Array, background: Float64Array, among?: Uint8Array): number {
  let explained = 0;
  let potential = 0;
  let counted = 0;
  for (let cell = 0; cell < cellCount; cell++) {
    if (among !== undefined && among[cell] === 0) continue;
    counted++;
    potential += Math.log(background[cell]! / noiseVariance + 1);
    if (cells[cell]! > explains) explained += cells[cell]!;
  }
  return counted === 0 ? 0 : explained / Math.max(potential, plainPotential * counted);
}

/** A coherent part of a picture that a training picture explains. */
export interface Part {
  /**
   * The excess of evidence, nats per cell of the whole picture: sums over the part's cells of what lies above the
   * bar, as the scores of local alignments are made (Karlin and Altschul 1990). Long chance agreement costs.
   */
  readonly score: number;
  /** 1 for the cells of the part. */
  readonly cells: Uint8Array;
}

/** The connected cells (by their sides) with the largest excess of evidence. */
export function bestPart(cells: Float64Array): Part {
  const seen = new Uint8Array(cellCount);
  let best: { score: number; members: number[] } = { score: 0, members: [] };
  for (let start = 0; start < cellCount; start++) {
    if (seen[start] === 1 || !(cells[start]! > stands)) continue;
    const members = [start];
    seen[start] = 1;
    let score = 0;
    for (let next = 0; next < members.length; next++) {
      const cell = members[next]!;
      score += cells[cell]! - stands;
      for (const neighbour of neighboursOf(cell))
        if (seen[neighbour] === 0 && cells[neighbour]! > stands) {
          seen[neighbour] = 1;
          members.push(neighbour);
        }
    }
    if (score > best.score) best = { score, members };
  }
  const inside = new Uint8Array(cellCount);
  for (const cell of best.members) inside[cell] = 1;
  return { score: best.score / cellCount, cells: inside };
}

function neighboursOf(cell: number): number[] {
  const x = cell % cellsAcross;
  const found: number[] = [];
  if (x > 0) found.push(cell - 1);
  if (x < cellsAcross - 1) found.push(cell + 1);
  if (cell >= cellsAcross) found.push(cell - cellsAcross);
  if (cell < cellCount - cellsAcross) found.push(cell + cellsAcross);
  return found;
}

/** Cells as a part of the picture; undefined when there is none. */
export function regionOf(cells: Uint8Array): Region | undefined {
  return maskRegion({ width: cellsAcross, height: cellsAcross, data: cells }) ?? undefined;
}
