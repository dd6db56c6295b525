import type { Picture } from '../../images/index.ts';

/**
 * A small software rasteriser: filled spans on a grid of 2 × 2 samples per pixel, averaged at the end with the
 * tent [1, 2, 3, 3, 2, 1] / 12 in both directions, which gives the soft edges of a photograph. Coordinates are in
 * pixels (0 … 64, y downwards). Only + − × ÷ and √ are used, which IEEE 754 rounds the same everywhere, so a
 * picture has the same bytes on every machine (Math.sin and Math.pow promise no such thing).
 */
export const pictureSide = 64;
const samplesPerPixel = 2;
const side = pictureSide * samplesPerPixel;

/** Linear red, green, blue, each in [0, 1]. */
export type Colour = readonly [number, number, number];
/** Writes the colour at pixel coordinates (x, y) into out[0..2]. */
export type Shader = (x: number, y: number, out: Float64Array) => void;
export type Paint = Colour | Shader;

export interface Canvas {
  /** RGB samples, row-major, [side, side, 3], values in [0, 1] (clamped at the end). */
  readonly samples: Float32Array;
}

/** A black canvas of 64 × 64 pixels. */
export function createCanvas(): Canvas {
  return { samples: new Float32Array(side * side * 3) };
}

const scratch = new Float64Array(3);

function fillSpan(
  canvas: Canvas,
  row: number,
  from: number,
  to: number,
  paint: Paint,
  opacity: number,
): void {
  const first = Math.max(0, Math.ceil(from * samplesPerPixel - 0.5));
  const end = Math.min(side, Math.ceil(to * samplesPerPixel - 0.5));
  const samples = canvas.samples;
  const keep = 1 - opacity;
  let at = (row * side + first) * 3;
  if (typeof paint === 'function') {
    const y = (row + 0.5) / samplesPerPixel;
    for (let column = first; column < end; column++, at += 3) {
      paint((column + 0.5) / samplesPerPixel, y, scratch);
      samples[at] = samples[at]! * keep + scratch[0]! * opacity;
      samples[at + 1] = samples[at + 1]! * keep + scratch[1]! * opacity;
      samples[at + 2] = samples[at + 2]! * keep + scratch[2]! * opacity;
    }
    return;
  }
  const [red, green, blue] = paint;
  for (let column = first; column < end; column++, at += 3) {
    samples[at] = samples[at]! * keep + red * opacity;
    samples[at + 1] = samples[at + 1]! * keep + green * opacity;
    samples[at + 2] = samples[at + 2]! * keep + blue * opacity;
  }
}

/** Rows whose sample centres lie in [top, bottom), cut to the canvas. */
function rows(top: number, bottom: number): readonly [number, number] {
  return [
    Math.max(0, Math.ceil(top * samplesPerPixel - 0.5)),
    Math.min(side, Math.ceil(bottom * samplesPerPixel - 0.5)),
  ];
}

export function fillRectangle(
  canvas: Canvas,
  x: number,
  y: number,
  width: number,
  height: number,
  paint: Paint,
  opacity = 1,
): void {
  const [first, end] = rows(y, y + height);
  for (let row = first; row < end; row++) fillSpan(canvas, row, x, x + width, paint, opacity);
}

/** The whole canvas. */
export function fill(canvas: Canvas, paint: Paint, opacity = 1): void {
  fillRectangle(canvas, 0, 0, pictureSide, pictureSide, paint, opacity);
}

/** An ellipse with its axes along x and y. */
export function fillEllipse(
  canvas: Canvas,
  centreX: number,
  centreY: number,
  radiusX: number,
  radiusY: number,
  paint: Paint,
  opacity = 1,
): void {
  const [first, end] = rows(centreY - radiusY, centreY + radiusY);
  for (let row = first; row < end; row++) {
    const offset = ((row + 0.5) / samplesPerPixel - centreY) / radiusY;
    const reach = radiusX * Math.sqrt(Math.max(0, 1 - offset * offset));
    fillSpan(canvas, row, centreX - reach, centreX + reach, paint, opacity);
  }
}

/** A polygon given as x0, y0, x1, y1, …, filled by the even-odd rule. */
export function fillPolygon(canvas: Canvas, points: readonly number[], paint: Paint, opacity = 1): void {
  let top = Infinity;
  let bottom = -Infinity;
  for (let index = 1; index < points.length; index += 2) {
    top = Math.min(top, points[index]!);
    bottom = Math.max(bottom, points[index]!);
  }
  const [first, end] = rows(top, bottom);
  const crossings: number[] = [];
  for (let row = first; row < end; row++) {
    const y = (row + 0.5) / samplesPerPixel;
    crossings.length = 0;
    let previousX = points[points.length - 2]!;
    let previousY = points[points.length - 1]!;
    for (let index = 0; index < points.length; index += 2) {
      const x = points[index]!;
      const nextY = points[index + 1]!;
      if (previousY <= y !== nextY <= y) {
        crossings.push(previousX + ((y - previousY) / (nextY - previousY)) * (x - previousX));
      }
      previousX = x;
      previousY = nextY;
    }
    crossings.sort((a, b) => a - b);
    for (let index = 0; index + 1 < crossings.length; index += 2) {
      fillSpan(canvas, row, crossings[index]!, crossings[index + 1]!, paint, opacity);
    }
  }
}

/** A line through x0, y0, x1, y1, … of the given width in pixels, with round ends and joints. */
export function strokeLine(
  canvas: Canvas,
  points: readonly number[],
  width: number,
  paint: Paint,
  opacity = 1,
): void {
  const half = width / 2;
  for (let index = 0; index + 1 < points.length; index += 2) {
    const x = points[index]!;
    const y = points[index + 1]!;
    fillEllipse(canvas, x, y, half, half, paint, opacity);
    const nextX = points[index + 2];
    const nextY = points[index + 3];
    if (nextX === undefined || nextY === undefined) return;
    const length = Math.sqrt((nextX - x) * (nextX - x) + (nextY - y) * (nextY - y));
    if (length === 0) continue;
    const sideX = (-(nextY - y) / length) * half;
    const sideY = ((nextX - x) / length) * half;
    fillPolygon(
      canvas,
      [
        x + sideX,
        y + sideY,
        nextX + sideX,
        nextY + sideY,
        nextX - sideX,
        nextY - sideY,
        x - sideX,
        y - sideY,
      ],
      paint,
      opacity,
    );
  }
}

/** Multiplies every sample by the shader's value: light that falls across a finished picture. */
export function multiply(canvas: Canvas, shader: Shader): void {
  const samples = canvas.samples;
  for (let row = 0, at = 0; row < side; row++) {
    for (let column = 0; column < side; column++, at += 3) {
      shader((column + 0.5) / samplesPerPixel, (row + 0.5) / samplesPerPixel, scratch);
      for (let channel = 0; channel < 3; channel++) samples[at + channel]! *= scratch[channel]!;
    }
  }
}

/** Mirrors left and right. */
export function mirror(canvas: Canvas): void {
  const samples = canvas.samples;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side / 2; column++) {
      const left = (row * side + column) * 3;
      const right = (row * side + side - 1 - column) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const value = samples[left + channel]!;
        samples[left + channel] = samples[right + channel]!;
        samples[right + channel] = value;
      }
    }
  }
}

const tent = [1 / 12, 2 / 12, 3 / 12, 3 / 12, 2 / 12, 1 / 12] as const;

/** The finished picture: samples clamped to [0, 1], averaged with the tent, rounded to 8 bits. A sample reaches the
 * pixels whose edge is less than one pixel away. */
export function toPicture(canvas: Canvas): Picture {
  const { samples } = canvas;
  const stride = pictureSide * 3;
  const narrow = new Float64Array(side * stride);
  for (let row = 0; row < side; row++) {
    for (let x = 0; x < pictureSide; x++) {
      const to = row * stride + x * 3;
      for (let tap = 0; tap < 6; tap++) {
        const column = Math.min(side - 1, Math.max(0, x * 2 - 2 + tap));
        const weight = tent[tap]!;
        const from = (row * side + column) * 3;
        for (let channel = 0; channel < 3; channel++) {
          narrow[to + channel]! += weight * Math.min(1, Math.max(0, samples[from + channel]!));
        }
      }
    }
  }
  const data = new Uint8Array(pictureSide * stride);
  for (let y = 0; y < pictureSide; y++) {
    const from = tent.map((_, tap) => Math.min(side - 1, Math.max(0, y * 2 - 2 + tap)) * stride);
    for (let at = 0; at < stride; at++) {
      let value = 0;
      for (let tap = 0; tap < 6; tap++) value += tent[tap]! * narrow[from[tap]! + at]!;
      data[y * stride + at] = Math.floor(value * 255 + 0.5);
    }
  }
  return { width: pictureSide, height: pictureSide, data };
}
