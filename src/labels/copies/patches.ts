import { workingSide as side, type WorkingPicture } from './working.ts';

/** Most patches of a picture. */
export const patchesPerPicture = 24;
/** Width of a patch at scale 1, working pixels: a fifth of the picture's area holds several. */
export const patchWidth = 10;
/** Values of a patch: 6 × 6 of brightness, 3 × 3 of each colour difference. */
export const patchDimension = 6 * 6 + 2 * 3 * 3;
/** Patches nearer to the border than this are left out: most of them would be made up. */
const border = 3;
/** Squared length below which a patch counts as plain, and gets shorter than 1. */
const plainLength = 0.02;

/** Where a picture has structure in both directions, and what it looks like there. */
export interface Patches {
  readonly count: number;
  /** Centres, working pixels. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Brightness and two colour differences, [3, side, side]. */
  readonly planes: Float32Array;
}

const area = side * side;
/** Binomial, deviation about 1.6 pixels. */
const smoothing = [0.06, 0.12, 0.2, 0.24, 0.2, 0.12, 0.06];

function planesOf({ data }: WorkingPicture): Float32Array {
  const planes = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    const red = data[3 * i]!;
    const green = data[3 * i + 1]!;
    const blue = data[3 * i + 2]!;
    const brightness = 0.3 * red + 0.59 * green + 0.11 * blue;
    planes[i] = brightness;
    planes[area + i] = 0.6 * (blue - brightness);
    planes[2 * area + i] = 0.6 * (red - brightness);
  }
  return planes;
}

function smooth(values: Float32Array): Float32Array {
  const reach = 3;
  const rows = new Float32Array(area);
  const out = new Float32Array(area);
  const clamp = (v: number) => Math.min(side - 1, Math.max(0, v));
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let k = -reach; k <= reach; k++) sum += smoothing[k + reach]! * values[y * side + clamp(x + k)]!;
      rows[y * side + x] = sum;
    }
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let k = -reach; k <= reach; k++) sum += smoothing[k + reach]! * rows[clamp(y + k) * side + x]!;
      out[y * side + x] = sum;
    }
  return out;
}

/** Corner strength: determinant over trace of the colour structure tensor (Harris and Stephens 1988; Noble 1989). */
function cornerStrength(planes: Float32Array): Float32Array {
  const xx = new Float32Array(area);
  const yy = new Float32Array(area);
  const xy = new Float32Array(area);
  for (let y = 0; y < side; y++) {
    const up = Math.max(0, y - 1) * side;
    const down = Math.min(side - 1, y + 1) * side;
    for (let x = 0; x < side; x++) {
      const left = Math.max(0, x - 1);
      const right = Math.min(side - 1, x + 1);
      const at = y * side + x;
      for (let plane = 0; plane < 3 * area; plane += area) {
        const dx = planes[plane + y * side + right]! - planes[plane + y * side + left]!;
        const dy = planes[plane + down + x]! - planes[plane + up + x]!;
        xx[at]! += dx * dx;
        yy[at]! += dy * dy;
        xy[at]! += dx * dy;
      }
    }
  }
  const [a, b, c] = [smooth(xx), smooth(yy), smooth(xy)];
  return a.map((value, i) => (value * b[i]! - c[i]! * c[i]!) / (value + b[i]! + 1e-9));
}

/** The patches of a picture: at the local maxima of its corner strength, the strongest first. */
export function patchesOf(picture: WorkingPicture): Patches {
  const planes = planesOf(picture);
  const strength = cornerStrength(planes);
  const found: { x: number; y: number; strength: number }[] = [];
  for (let y = border; y < side - border; y++)
    for (let x = border; x < side - border; x++) {
      const at = y * side + x;
      const value = strength[at]!;
      let largest = value > 0;
      for (let dy = -side; dy <= side && largest; dy += side)
        for (let dx = -1; dx <= 1; dx++) if (strength[at + dy + dx]! > value) largest = false;
      if (largest) found.push({ x: x + 0.5, y: y + 0.5, strength: value });
    }
  found.sort((a, b) => b.strength - a.strength || a.y - b.y || a.x - b.x);
  const kept = found.slice(0, patchesPerPicture);
  return {
    count: kept.length,
    x: Float32Array.from(kept, (p) => p.x),
    y: Float32Array.from(kept, (p) => p.y),
    planes,
  };
}

/**
 * Writes one patch as a vector of length about 1, its means removed: what it looks like, whatever its brightness and contrast.
 *
 * @param scale width of the window, in `patchWidth`
 * @param flip read from right to left
 */
export function describePatch(
  patches: Patches,
  index: number,
  scale: number,
  flip: boolean,
  into: Float32Array,
  offset: number,
): void {
  const width = patchWidth * scale;
  const centreX = patches.x[index]!;
  const centreY = patches.y[index]!;
  let at = offset;
  at = sampleGrid(patches.planes, 0, 6, centreX, centreY, width, flip, into, at);
  at = sampleGrid(patches.planes, area, 3, centreX, centreY, width, flip, into, at);
  at = sampleGrid(patches.planes, 2 * area, 3, centreX, centreY, width, flip, into, at);
  let squares = 0;
  for (let i = offset; i < at; i++) squares += into[i]! * into[i]!;
  const factor = 1 / Math.sqrt(squares + plainLength);
  for (let i = offset; i < at; i++) into[i]! *= factor;
}

/** A grid of n × n means of four samples each, less their mean. */
function sampleGrid(
  planes: Float32Array,
  plane: number,
  n: number,
  centreX: number,
  centreY: number,
  width: number,
  flip: boolean,
  into: Float32Array,
  offset: number,
): number {
  let at = offset;
  let mean = 0;
  for (let row = 0; row < n; row++)
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let half = 0; half < 4; half++) {
        const u = ((column + 0.25 + 0.5 * (half & 1)) / n - 0.5) * width;
        const v = ((row + 0.25 + 0.5 * (half >> 1)) / n - 0.5) * width;
        sum += bilinear(planes, plane, centreX + (flip ? -u : u), centreY + v);
      }
      into[at++] = sum / 4;
      mean += sum / 4;
    }
  mean /= n * n;
  for (let i = offset; i < at; i++) into[i]! -= mean;
  return at;
}

function bilinear(planes: Float32Array, plane: number, x: number, y: number): number {
  const fx = Math.min(side - 1.001, Math.max(0, x - 0.5));
  const fy = Math.min(side - 1.001, Math.max(0, y - 0.5));
  const left = Math.floor(fx);
  const top = Math.floor(fy);
  const a = fx - left;
  const b = fy - top;
  const at = plane + top * side + left;
  return (
    (planes[at]! * (1 - a) + planes[at + 1]! * a) * (1 - b) +
    (planes[at + side]! * (1 - a) + planes[at + side + 1]! * a) * b
  );
}
