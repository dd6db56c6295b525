import { cellErrors, noiseVariance } from './agreement.ts';
import { cellCount, cellSide, cellsAcross, type WorkingPicture, workingSide } from './working.ts';

/** How many held-out pictures stand for unrelated ones: those nearest to the picture as a whole. */
const unrelated = 32;
/** Of their errors in a cell, the quarter's: the better of them, but no single lucky one. */
const quantile = 0.25;
/** Width of the window whose variance bounds a cell's background, in cells. */
const structureCells = 3;

/** What unrelated pictures have in common with a picture. */
export interface Background {
  /**
   * Mean squared error, [cells], values in [0, 1]: what the nearest held-out pictures leave unexplained, but no more
   * than the picture's own variance there. A plain wall is no evidence, however few held-out pictures have it.
   *
   * @param except a held-out picture that is left out, when it is the query itself
   */
  of(query: WorkingPicture, except?: number): Float64Array;
}

/** Background from pictures that the model never saw. */
export function createBackground(heldOut: readonly WorkingPicture[]): Background {
  return {
    of(query, except = -1) {
      const nearest = nearestOf(query, heldOut, except);
      const errors = nearest.map((index) => cellErrors(query.data, heldOut[index]!.data));
      const bound = localVariance(query.data);
      if (errors.length === 0) return bound;
      const background = new Float64Array(cellCount);
      const column = new Float64Array(errors.length);
      for (let cell = 0; cell < cellCount; cell++) {
        for (let i = 0; i < errors.length; i++) column[i] = errors[i]![cell]!;
        column.sort();
        background[cell] = Math.min(bound[cell]!, column[Math.floor(quantile * column.length)]!);
      }
      return background;
    },
  };
}

/** Positions of the held-out pictures that are nearest to the query, the nearest first; of equals the one that comes first. */
function nearestOf(query: WorkingPicture, heldOut: readonly WorkingPicture[], except: number): number[] {
  const errors: number[] = [];
  const positions: number[] = [];
  heldOut.forEach((picture, index) => {
    if (index === except) return;
    const error = squaredError(query.data, picture.data);
    let at = errors.length;
    if (at === unrelated && error >= errors[at - 1]!) return;
    while (at > 0 && errors[at - 1]! > error) at--;
    errors.splice(at, 0, error);
    positions.splice(at, 0, index);
    if (errors.length > unrelated) {
      errors.pop();
      positions.pop();
    }
  });
  return positions;
}

/** Every second pixel of every second row: enough to say who is near, and a quarter of the work. */
function squaredError(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let y = 0; y < workingSide; y += 2)
    for (let x = 0; x < workingSide; x += 2) {
      const i = (y * workingSide + x) * 3;
      const red = a[i]! - b[i]!;
      const green = a[i + 1]! - b[i + 1]!;
      const blue = a[i + 2]! - b[i + 2]!;
      sum += red * red + green * green + blue * blue;
    }
  return sum;
}

/** Variance of the values around each cell, about the window's mean colour, [cells]. */
export function localVariance(data: Float32Array): Float64Array {
  const variance = new Float64Array(cellCount);
  const margin = ((structureCells - 1) / 2) * cellSide;
  for (let row = 0; row < cellsAcross; row++)
    for (let column = 0; column < cellsAcross; column++) {
      const top = Math.max(0, row * cellSide - margin);
      const bottom = Math.min(workingSide, (row + 1) * cellSide + margin);
      const left = Math.max(0, column * cellSide - margin);
      const right = Math.min(workingSide, (column + 1) * cellSide + margin);
      const sums = [0, 0, 0];
      const squares = [0, 0, 0];
      for (let y = top; y < bottom; y++)
        for (let i = (y * workingSide + left) * 3; i < (y * workingSide + right) * 3; i++) {
          const value = data[i]!;
          sums[i % 3]! += value;
          squares[i % 3]! += value * value;
        }
      const pixels = (bottom - top) * (right - left);
      let total = 0;
      for (let c = 0; c < 3; c++) total += squares[c]! / pixels - (sums[c]! / pixels) ** 2;
      variance[row * cellsAcross + column] = Math.max(0, total / 3);
    }
  return variance;
}

/** Steps in which a picture is moved against itself, in cells: a cell to each side, and not quite one to each corner. */
const moves = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [0.75, 0.75],
  [0.75, -0.75],
  [-0.75, 0.75],
  [-0.75, -0.75],
] as const;
/** Pixels around a cell that are compared with it. */
const around = 1;

/**
 * How much of the evidence that a cell could give, nats per cell, is not its own: what the picture also has a cell further
 * in some direction (Moravec 1977 finds corners so). A straight edge, the border of a frame and a row of windows continue,
 * and many pictures have them in one place or another; a corner does not. It is taken off where a part must stand for
 * itself.
 */
export function repeatedEvidence(data: Float32Array, background: Float64Array): Float64Array {
  const repeated = new Float64Array(cellCount);
  for (let row = 0; row < cellsAcross; row++)
    for (let column = 0; column < cellsAcross; column++) {
      const cell = row * cellsAcross + column;
      let least = background[cell]!;
      for (const [dx, dy] of moves) {
        const error = movedError(data, column * cellSide, row * cellSide, dx * cellSide, dy * cellSide);
        // Two noisy values differ by twice what each of them errs.
        if (error !== undefined) least = Math.min(least, error / 2);
      }
      repeated[cell] = Math.log((background[cell]! + noiseVariance) / (least + noiseVariance));
    }
  return repeated;
}

/** Mean squared difference between a cell, with what is around it, and the same moved; undefined where too little is left. */
function movedError(
  data: Float32Array,
  left: number,
  top: number,
  dx: number,
  dy: number,
): number | undefined {
  const inside = (v: number) => v >= 0 && v < workingSide;
  let sum = 0;
  let pixels = 0;
  for (let y = top - around; y < top + cellSide + around; y++) {
    if (!inside(y) || !inside(y + dy)) continue;
    for (let x = left - around; x < left + cellSide + around; x++) {
      if (!inside(x) || !inside(x + dx)) continue;
      pixels++;
      const a = (y * workingSide + x) * 3;
      const b = ((y + dy) * workingSide + x + dx) * 3;
      for (let c = 0; c < 3; c++) sum += (data[a + c]! - data[b + c]!) ** 2;
    }
  }
  return 2 * pixels <= cellSide * cellSide ? undefined : sum / (3 * pixels);
}
