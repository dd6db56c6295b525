import { between, chance, integer, pick, type Random } from '../random.ts';
import { type Canvas, type Colour, fill, fillEllipse, fillPolygon, fillRectangle } from './canvas.ts';
import { anyColour, clouds, gradient, lighten, mix, sine, tint } from './paints.ts';
import type { Scene } from './scene.ts';
import {
  adjectives,
  firstNames,
  landforms,
  moments,
  months,
  placeName,
  printSize,
  shops,
  surnames,
  tags,
} from './words.ts';

const skies: readonly (readonly [Colour, Colour])[] = [
  [
    [0.22, 0.45, 0.82],
    [0.8, 0.9, 0.98],
  ],
  [
    [0.16, 0.13, 0.38],
    [0.98, 0.55, 0.35],
  ],
  [
    [0.45, 0.3, 0.5],
    [1, 0.8, 0.5],
  ],
  [
    [0.05, 0.07, 0.2],
    [0.25, 0.35, 0.55],
  ],
  [
    [0.55, 0.6, 0.66],
    [0.85, 0.86, 0.86],
  ],
  [
    [0.9, 0.5, 0.3],
    [1, 0.9, 0.6],
  ],
  [
    [0.2, 0.55, 0.6],
    [0.95, 0.92, 0.8],
  ],
];

/** A ridge across the whole width: mountains of straight flanks or rolling hills. */
function ridge(
  canvas: Canvas,
  random: Random,
  level: number,
  height: number,
  colour: Colour,
  sharp: boolean,
): void {
  const points = [0, 64];
  const waves = between(random, 0.7, 2);
  const phase = random.uniform();
  if (sharp) {
    let x = between(random, -14, 0);
    points.push(x, level);
    while (x < 64) {
      const half = between(random, 8, 18);
      points.push(
        x + half,
        level - height * between(random, 0.45, 1),
        x + half * between(random, 1.6, 2),
        level - height * between(random, 0, 0.3),
      );
      x = points[points.length - 2]!;
    }
  } else {
    for (let x = 0; x <= 64; x += 2) {
      points.push(
        x,
        level -
          height *
            (0.5 + 0.35 * sine((x / 64) * waves + phase) + 0.15 * sine((x / 64) * waves * 2.3 + phase * 3)),
      );
    }
  }
  points.push(64, 64);
  fillPolygon(
    canvas,
    points,
    gradient(
      0,
      level - height,
      between(random, -15, 15),
      level + 14,
      lighten(colour, 0.18),
      lighten(colour, -0.3),
    ),
  );
}

/** A view of land: sky, sun, ridges, and a lake, field, dunes or trees in front. */
export const landscape: Scene = {
  name: 'landscape',
  compose(random) {
    const form = pick(random, landforms);
    const place = placeName(random);
    const moment = pick(random, moments);
    const photographer = `${pick(random, firstNames)} ${pick(random, surnames)}`;
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `${place} ${form} at ${moment}, photo by ${photographer}`;
          case 1:
            return `${form} near ${place} in ${pick(words, months)} - ${pick(words, adjectives)} canvas print ${printSize(words)}`;
          case 2:
            return `${pick(words, adjectives)} landscape ${form.toLowerCase()} ${place.toLowerCase()} ${moment} ${pick(words, tags)} ${integer(words, 2, 9999)}`;
          case 3:
            return `View over ${place} ${form}, ${moment} (${pick(words, months)} ${integer(words, 1990, 2023)}) | ${pick(words, shops)}`;
          default:
            return `${photographer}: "${form} of ${place}", oil on canvas, ${printSize(words)}`;
        }
      },
      draw(strokes, canvas) {
        const [high, low] = pick(strokes, skies);
        const horizon = between(strokes, 24, 46);
        const top = tint(strokes, high, 0.3);
        const bottom = tint(strokes, low, 0.25);
        fill(canvas, gradient(between(strokes, -20, 20), 0, 0, horizon, top, bottom));
        if (chance(strokes, 0.5)) {
          fill(
            canvas,
            clouds(strokes, lighten(bottom, 0.4), lighten(top, -0.3), between(strokes, 10, 22)),
            0.4,
          );
        }
        const glare = lighten(mix(bottom, [1, 0.9, 0.6], 0.6), 0.4);
        if (chance(strokes, 0.7)) {
          const x = between(strokes, 6, 58);
          const y = between(strokes, 5, horizon - 4);
          const radius = between(strokes, 3, 8);
          fillEllipse(canvas, x, y, radius * 2.2, radius * 2.2, glare, 0.3);
          fillEllipse(canvas, x, y, radius, radius, glare);
        }
        const banks = integer(strokes, 0, 4);
        for (let bank = 0; bank < banks; bank++) {
          fillEllipse(
            canvas,
            between(strokes, 0, 64),
            between(strokes, 3, horizon - 8),
            between(strokes, 8, 20),
            between(strokes, 1.8, 4.5),
            lighten(bottom, between(strokes, -0.4, 0.6)),
            0.65,
          );
        }
        const far = mix(anyColour(strokes, 0.15, 0.6), bottom, 0.35);
        const sharp = !['Hills', 'Bay', 'Dunes', 'Meadow', 'Plain', 'Coast'].includes(form);
        ridge(canvas, strokes, horizon + 2, between(strokes, 8, 26), far, sharp);
        if (chance(strokes, 0.7))
          ridge(
            canvas,
            strokes,
            horizon + 5,
            between(strokes, 5, 14),
            lighten(far, -0.4),
            chance(strokes, 0.4),
          );
        const wet = ['Lake', 'Bay', 'Fjord', 'Coast', 'Glacier'].includes(form);
        const soil = wet
          ? mix(top, [0.1, 0.35, 0.5], 0.5)
          : mix(
              tint(
                strokes,
                pick(strokes, [
                  [0.3, 0.5, 0.2],
                  [0.75, 0.65, 0.35],
                  [0.5, 0.4, 0.28],
                  [0.85, 0.88, 0.92],
                  [0.6, 0.35, 0.25],
                ] as const),
                0.25,
              ),
              bottom,
              0.15,
            );
        fillRectangle(
          canvas,
          0,
          horizon + 3,
          64,
          64,
          gradient(0, horizon, between(strokes, -25, 25), 66, lighten(soil, 0.3), lighten(soil, -0.45)),
        );
        if (wet) {
          for (let line = 0; line < 4; line++) {
            fillEllipse(
              canvas,
              between(strokes, 0, 64),
              between(strokes, horizon + 7, 62),
              between(strokes, 8, 20),
              1.3,
              glare,
              0.4,
            );
          }
        } else {
          fillRectangle(
            canvas,
            0,
            horizon + 3,
            64,
            64,
            clouds(strokes, lighten(soil, 0.4), lighten(soil, -0.5), between(strokes, 10, 22)),
            0.45,
          );
          if (chance(strokes, 0.4)) {
            const x = between(strokes, 10, 54);
            const far = between(strokes, 10, 54);
            fillPolygon(
              canvas,
              [far, horizon + 4, far + 2, horizon + 4, x + 12, 64, x - 12, 64],
              lighten(soil, chance(strokes, 0.5) ? 0.55 : -0.5),
            );
          }
        }
        const leaf = tint(
          strokes,
          pick(strokes, [
            [0.12, 0.3, 0.14],
            [0.7, 0.4, 0.12],
            [0.1, 0.12, 0.14],
            [0.3, 0.5, 0.2],
          ] as const),
          0.2,
        );
        const trees = integer(strokes, 0, 5);
        const firs = chance(strokes, 0.5);
        for (let tree = 0; tree < trees; tree++) {
          const x = between(strokes, 2, 62);
          const foot = between(strokes, horizon + 8, 64);
          const tall = between(strokes, 10, 24) * (0.5 + (foot - horizon) / 40);
          fillRectangle(canvas, x - 1.2, foot - tall * 0.4, 2.4, tall * 0.4, lighten(leaf, -0.5));
          if (firs)
            fillPolygon(
              canvas,
              [x, foot - tall, x + tall * 0.28, foot - tall * 0.2, x - tall * 0.28, foot - tall * 0.2],
              leaf,
            );
          else fillEllipse(canvas, x, foot - tall * 0.65, tall * 0.3, tall * 0.36, leaf);
        }
      },
    };
  },
};
