import { between, chance, integer, pick, type Random } from '../random.ts';
import { type Colour, type Paint, pictureSide, type Shader } from './canvas.ts';

/** Sine and cosine of a number of turns (1 = a full circle) by their Taylor series: exact to 1e-9, and the
 * same on every machine, which Math.sin does not promise. */
export function sine(turns: number): number {
  let t = turns - Math.floor(turns);
  let sign = 1;
  if (t >= 0.5) {
    t -= 0.5;
    sign = -1;
  }
  if (t > 0.25) t = 0.5 - t;
  const x = t * 6.283185307179586;
  const square = x * x;
  let term = x;
  let sum = x;
  for (let n = 3; n <= 15; n += 2) {
    term *= -square / (n * (n - 1));
    sum += term;
  }
  return sign * sum;
}

export function cosine(turns: number): number {
  return sine(turns + 0.25);
}

/** Points of a regular polygon or, with many corners, of a turned ellipse: x0, y0, x1, y1, … */
export function ring(
  centreX: number,
  centreY: number,
  radiusX: number,
  radiusY: number,
  corners: number,
  turns = 0,
): number[] {
  const points: number[] = [];
  for (let corner = 0; corner < corners; corner++) {
    const angle = corner / corners + turns;
    points.push(centreX + radiusX * cosine(angle), centreY + radiusY * sine(angle));
  }
  return points;
}

/** A star with the given number of points, the first one up. */
export function star(
  centreX: number,
  centreY: number,
  outer: number,
  inner: number,
  points: number,
  turns = 0,
): number[] {
  const result: number[] = [];
  for (let corner = 0; corner < points * 2; corner++) {
    const radius = corner % 2 === 0 ? outer : inner;
    const angle = corner / (points * 2) - 0.25 + turns;
    result.push(centreX + radius * cosine(angle), centreY + radius * sine(angle));
  }
  return result;
}

export function mix(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

const white: Colour = [1, 1, 1];
const black: Colour = [0, 0, 0];

/** Towards white for positive amounts, towards black for negative ones; amount in [−1, 1]. */
export function lighten(colour: Colour, amount: number): Colour {
  return amount >= 0 ? mix(colour, white, amount) : mix(colour, black, -amount);
}

/** Perceived lightness in [0, 1] (Rec. 601 weights). */
export function lightness(colour: Colour): number {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
}

/** A colour near the given one: the same name, another print of it. */
export function tint(random: Random, colour: Colour, spread = 0.12): Colour {
  const base = lighten(colour, between(random, -spread, spread));
  const shifted = base.map((value) =>
    Math.min(1, Math.max(0, value + between(random, -spread / 2, spread / 2))),
  );
  return [shifted[0]!, shifted[1]!, shifted[2]!];
}

/** Any colour: hue, saturation and lightness each drawn anew. */
export function anyColour(random: Random, darkest = 0.06, lightest = 0.96): Colour {
  const hue = random.uniform() * 6;
  // Loud colours are the rarer ones.
  const loudness = random.uniform();
  const saturation = 0.12 + 0.8 * loudness * Math.sqrt(loudness);
  const level = between(random, darkest, lightest);
  const chroma = saturation * (1 - Math.abs(2 * level - 1));
  const channel = (offset: number) => {
    const k = (hue + offset) % 6;
    return level + chroma * (Math.min(1, Math.max(0, Math.abs(k - 3) - 1)) - 0.5);
  };
  return [channel(0), channel(4), channel(2)];
}

/** A colour that stands out from `ground` by at least .3 in lightness. */
export function contrasting(random: Random, ground: Colour): Colour {
  const level = lightness(ground);
  const dark = level > 0.65 || (level > 0.35 && chance(random, 0.5));
  return dark
    ? anyColour(random, 0.02, Math.max(0.05, level - 0.4))
    : anyColour(random, Math.min(0.92, level + 0.4), 0.97);
}

/** From colour a at (x0, y0) to colour b at (x1, y1), constant beyond. */
export function gradient(x0: number, y0: number, x1: number, y1: number, a: Colour, b: Colour): Shader {
  const dx = x1 - x0;
  const dy = y1 - y0;
  const scale = 1 / (dx * dx + dy * dy);
  return (x, y, out) => {
    const share = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) * scale));
    for (let channel = 0; channel < 3; channel++) {
      out[channel] = a[channel]! + (b[channel]! - a[channel]!) * share;
    }
  };
}

/** A gradient across the whole picture in a random direction. */
export function backdrop(random: Random, a: Colour, b: Colour): Shader {
  const turns = random.uniform();
  const reach = pictureSide * 0.6;
  const centre = pictureSide / 2;
  const dx = cosine(turns) * reach;
  const dy = sine(turns) * reach;
  return gradient(centre - dx, centre - dy, centre + dx, centre + dy, a, b);
}

/** A soft spot of colour a at (x, y) that fades into b at the given radius. */
export function glow(centreX: number, centreY: number, radius: number, a: Colour, b: Colour): Shader {
  return (x, y, out) => {
    const dx = (x - centreX) / radius;
    const dy = (y - centreY) / radius;
    const share = Math.min(1, Math.sqrt(dx * dx + dy * dy));
    for (let channel = 0; channel < 3; channel++) {
      out[channel] = a[channel]! + (b[channel]! - a[channel]!) * share;
    }
  };
}

/** Smooth value noise between two colours; `scale` is the size of a cloud in pixels (≥ 5 stays soft). */
export function clouds(random: Random, a: Colour, b: Colour, scale: number): Shader {
  const cells = Math.ceil(pictureSide / scale) + 2;
  const lattice = Float64Array.from({ length: cells * cells }, () => random.uniform());
  const shiftX = random.uniform();
  const shiftY = random.uniform();
  return (x, y, out) => {
    const u = x / scale + shiftX;
    const v = y / scale + shiftY;
    const column = Math.min(cells - 2, Math.max(0, Math.floor(u)));
    const row = Math.min(cells - 2, Math.max(0, Math.floor(v)));
    const fx = Math.min(1, Math.max(0, u - column));
    const fy = Math.min(1, Math.max(0, v - row));
    const sx = fx * fx * (3 - 2 * fx);
    const sy = fy * fy * (3 - 2 * fy);
    const at = row * cells + column;
    const top = lattice[at]! + (lattice[at + 1]! - lattice[at]!) * sx;
    const bottom = lattice[at + cells]! + (lattice[at + cells + 1]! - lattice[at + cells]!) * sx;
    const share = top + (bottom - top) * sy;
    for (let channel = 0; channel < 3; channel++) {
      out[channel] = a[channel]! + (b[channel]! - a[channel]!) * share;
    }
  };
}

/** Names of the repeating patterns, as captions say them. */
export const patternNames = [
  'striped',
  'checked',
  'dotted',
  'zigzag',
  'diamond',
  'plain',
  'marbled',
  'ringed',
] as const;
export type PatternName = (typeof patternNames)[number];

/** A repeating pattern of two colours; `period` in pixels, at least 12 so that it stays coarse. */
export function pattern(
  random: Random,
  name: PatternName,
  a: Colour,
  b: Colour,
  period = between(random, 12, 24),
): Shader {
  const turns = pick(random, [0, 0.125, 0.25, 0.375]);
  const ux = cosine(turns);
  const uy = sine(turns);
  const share = between(random, 0.3, 0.7);
  const shiftU = random.uniform();
  const shiftV = random.uniform();
  const two = (test: (u: number, v: number) => boolean): Shader => {
    return (x, y, out) => {
      const u = (x * ux + y * uy) / period + shiftU;
      const v = (y * ux - x * uy) / period + shiftV;
      const colour = test(u - Math.floor(u), v - Math.floor(v)) ? a : b;
      out[0] = colour[0];
      out[1] = colour[1];
      out[2] = colour[2];
    };
  };
  const radius = between(random, 0.06, 0.13);
  switch (name) {
    case 'striped':
      return two((u) => u < share);
    case 'checked':
      return two((u, v) => u < 0.5 === v < 0.5);
    case 'dotted':
      return two((u, v) => (u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5) < radius);
    case 'zigzag':
      return two((u, v) => {
        const shifted = u + Math.abs(v - 0.5);
        return shifted - Math.floor(shifted) < share;
      });
    case 'diamond':
      return two((u, v) => Math.abs(u - 0.5) + Math.abs(v - 0.5) < share * 0.7);
    case 'ringed':
      return two((u, v) => {
        const distance = Math.sqrt((u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5));
        return distance > 0.2 && distance < 0.45;
      });
    case 'marbled':
      return clouds(random, a, b, integer(random, 8, 16));
    case 'plain':
      return backdrop(random, a, mix(a, b, 0.25));
  }
}

/** Light that falls across a picture: one side up to 12% brighter, the other up to 35% darker, with a cast. */
export function daylight(random: Random): Shader {
  const cast = (): Colour => [
    between(random, 0.9, 1.08),
    between(random, 0.92, 1.06),
    between(random, 0.9, 1.08),
  ];
  const scaled = (colour: Colour, factor: number): Colour => [
    colour[0] * factor,
    colour[1] * factor,
    colour[2] * factor,
  ];
  return backdrop(
    random,
    scaled(cast(), between(random, 0.95, 1.08)),
    scaled(cast(), between(random, 0.65, 0.95)),
  );
}

export type { Colour, Paint };
