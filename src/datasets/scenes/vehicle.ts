import { between, chance, integer, pick, type Random } from '../random.ts';
import { type Canvas, type Colour, fill, fillEllipse, fillPolygon, fillRectangle, mirror } from './canvas.ts';
import { anyColour, clouds, gradient, lighten, tint } from './paints.ts';
import type { Scene } from './scene.ts';
import { adjectives, months, namedColours, placeName, productCode, shops, tags, year } from './words.ts';

function wheel(canvas: Canvas, x: number, y: number, radius: number, rim: Colour): void {
  fillEllipse(canvas, x, y, radius, radius, [0.08, 0.08, 0.09]);
  fillEllipse(canvas, x, y, radius * 0.55, radius * 0.55, rim);
}

type Draw = (canvas: Canvas, random: Random, x: number, y: number, s: number, colour: Colour) => void;

/** Each vehicle is centred on x and stands on y; `s` 1 is about 44 pixels long. */
const vehicles: Readonly<Record<string, { readonly names: readonly string[]; readonly draw: Draw }>> = {
  car: {
    names: ['Sedan', 'Coupe', 'Hatchback', 'Roadster'],
    draw: (canvas, random, x, y, s, colour) => {
      const roof = between(random, 17, 22) * s;
      const front = between(random, 5, 10) * s;
      const glass = lighten(anyColour(random, 0.4, 0.7), 0.3);
      fillPolygon(
        canvas,
        [x - 15 * s, y - 11 * s, x - 9 * s, y - roof, x + 6 * s, y - roof, x + 6 * s + front, y - 11 * s],
        lighten(colour, -0.15),
      );
      fillPolygon(
        canvas,
        [
          x - 12 * s,
          y - 11.5 * s,
          x - 8 * s,
          y - roof + 2 * s,
          x - 2 * s,
          y - roof + 2 * s,
          x - 2 * s,
          y - 11.5 * s,
        ],
        glass,
      );
      fillPolygon(
        canvas,
        [
          x,
          y - 11.5 * s,
          x,
          y - roof + 2 * s,
          x + 5 * s,
          y - roof + 2 * s,
          x + 3.5 * s + front,
          y - 11.5 * s,
        ],
        glass,
      );
      fillPolygon(
        canvas,
        [
          x - 23 * s,
          y - 3 * s,
          x - 22 * s,
          y - 11 * s,
          x + 14 * s,
          y - 12 * s,
          x + 22 * s,
          y - 9 * s,
          x + 23 * s,
          y - 3 * s,
        ],
        gradient(0, y - 12 * s, 0, y - 3 * s, lighten(colour, 0.22), lighten(colour, -0.25)),
      );
      fillEllipse(canvas, x + 21 * s, y - 7.5 * s, 2 * s, 1.8 * s, [1, 0.95, 0.7]);
      const rim = anyColour(random, 0.5, 0.9);
      wheel(canvas, x - 13 * s, y - 3.5 * s, 5 * s, rim);
      wheel(canvas, x + 13 * s, y - 3.5 * s, 5 * s, rim);
    },
  },
  van: {
    names: ['Delivery Van', 'Camper Van', 'Minibus', 'City Bus'],
    draw: (canvas, random, x, y, s, colour) => {
      const tall = between(random, 22, 29) * s;
      const band = anyColour(random, 0.15, 0.9);
      fillRectangle(
        canvas,
        x - 24 * s,
        y - tall,
        40 * s,
        tall - 3 * s,
        gradient(0, y - tall, 0, y, lighten(colour, 0.2), lighten(colour, -0.2)),
      );
      fillPolygon(
        canvas,
        [
          x + 15.5 * s,
          y - tall,
          x + 19 * s,
          y - tall,
          x + 24 * s,
          y - 11 * s,
          x + 24 * s,
          y - 3 * s,
          x + 15.5 * s,
          y - 3 * s,
        ],
        lighten(colour, -0.1),
      );
      fillRectangle(canvas, x - 24 * s, y - 10 * s, 48 * s, 3.6 * s, band);
      const glass = lighten(anyColour(random, 0.3, 0.7), 0.35);
      const windows = integer(random, 1, 3);
      for (let window = 0; window < windows; window++) {
        fillRectangle(
          canvas,
          x - 21 * s + (window * 36 * s) / windows,
          y - tall + 3.5 * s,
          (36 * s) / windows - 3 * s,
          7 * s,
          glass,
        );
      }
      fillPolygon(
        canvas,
        [
          x + 16.5 * s,
          y - tall + 3 * s,
          x + 18.5 * s,
          y - tall + 3 * s,
          x + 22 * s,
          y - 12 * s,
          x + 16.5 * s,
          y - 12 * s,
        ],
        glass,
      );
      wheel(canvas, x - 14 * s, y - 3.5 * s, 4.6 * s, [0.7, 0.7, 0.7]);
      wheel(canvas, x + 15 * s, y - 3.5 * s, 4.6 * s, [0.7, 0.7, 0.7]);
    },
  },
  boat: {
    names: ['Sailboat', 'Yacht', 'Sailing Dinghy'],
    draw: (canvas, random, x, y, s, colour) => {
      const mast = between(random, 34, 42) * s;
      const cloth = chance(random, 0.6)
        ? lighten(anyColour(random, 0.7, 0.95), 0.4)
        : anyColour(random, 0.3, 0.8);
      fillPolygon(
        canvas,
        [x + s, y - mast, x + 18 * s, y - 9 * s, x + s, y - 9 * s],
        gradient(x, 0, x + 18 * s, 0, cloth, lighten(cloth, -0.3)),
      );
      fillPolygon(
        canvas,
        [x - 1.5 * s, y - mast * 0.9, x - 1.5 * s, y - 9 * s, x - 15 * s, y - 9 * s],
        lighten(cloth, -0.12),
      );
      fillRectangle(canvas, x - 1.4 * s, y - mast, 2.4 * s, mast - 6 * s, [0.35, 0.24, 0.16]);
      fillPolygon(
        canvas,
        [x - 22 * s, y - 8 * s, x + 22 * s, y - 8 * s, x + 15 * s, y, x - 16 * s, y],
        gradient(0, y - 8 * s, 0, y, lighten(colour, 0.15), lighten(colour, -0.35)),
      );
      fillPolygon(
        canvas,
        [x - 20.5 * s, y - 8 * s, x + 22 * s, y - 8 * s, x + 20 * s, y - 5.5 * s, x - 20 * s, y - 5.5 * s],
        lighten(colour, 0.6),
      );
    },
  },
  truck: {
    names: ['Pickup Truck', 'Lorry', 'Tow Truck'],
    draw: (canvas, random, x, y, s, colour) => {
      const box = anyColour(random, 0.2, 0.9);
      const tall = between(random, 18, 28) * s;
      fillRectangle(
        canvas,
        x - 24 * s,
        y - tall,
        30 * s,
        tall - 6 * s,
        gradient(x - 24 * s, 0, x + 6 * s, 0, lighten(box, 0.15), lighten(box, -0.2)),
      );
      fillRectangle(canvas, x - 24 * s, y - 7 * s, 48 * s, 3.4 * s, [0.16, 0.16, 0.18]);
      fillPolygon(
        canvas,
        [
          x + 8 * s,
          y - 20 * s,
          x + 17 * s,
          y - 20 * s,
          x + 21 * s,
          y - 12 * s,
          x + 24 * s,
          y - 11 * s,
          x + 24 * s,
          y - 4 * s,
          x + 8 * s,
          y - 4 * s,
        ],
        gradient(0, y - 20 * s, 0, y - 4 * s, lighten(colour, 0.2), lighten(colour, -0.25)),
      );
      fillPolygon(
        canvas,
        [x + 12 * s, y - 18 * s, x + 16 * s, y - 18 * s, x + 19 * s, y - 12 * s, x + 12 * s, y - 12 * s],
        lighten(anyColour(random, 0.4, 0.7), 0.4),
      );
      wheel(canvas, x - 17 * s, y - 4 * s, 4.8 * s, [0.65, 0.65, 0.66]);
      wheel(canvas, x + 16 * s, y - 4 * s, 4.8 * s, [0.65, 0.65, 0.66]);
    },
  },
};

/** A car, van, boat or lorry for sale, on a road or on water. */
export const vehicle: Scene = {
  name: 'vehicle',
  compose(random) {
    const type = pick(random, Object.keys(vehicles));
    const { names, draw } = vehicles[type]!;
    const model = pick(random, names);
    const { name: colourName, colour } = pick(random, namedColours);
    const maker = placeName(random);
    const built = year(random);
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `${built} ${maker} ${model} in ${colourName} - ${integer(words, 1, 299)},${integer(words, 100, 999)} km`;
          case 1:
            return `Used ${colourName.toLowerCase()} ${model} for sale, ${maker} ${built} | ${productCode(words)}`;
          case 2:
            return `${pick(words, adjectives)} ${maker.toLowerCase()} ${model.toLowerCase()} ${built} ${colourName.toLowerCase()} ${pick(words, tags)} ${integer(words, 2, 999)}`;
          case 3:
            return `${maker} ${model} ${built} side view, ${pick(words, months)} ${integer(words, 2001, 2023)} (${pick(words, shops)})`;
          default:
            return `${model} "${maker}" ${colourName} 1:${pick(words, [18, 24, 43, 87])} scale model, ${productCode(words)}`;
        }
      },
      draw(strokes, canvas) {
        const sky = anyColour(strokes, 0.15, 0.92);
        const horizon = between(strokes, 26, 44);
        fill(
          canvas,
          gradient(between(strokes, -25, 25), 0, 0, horizon, sky, lighten(sky, between(strokes, -0.4, 0.6))),
        );
        if (chance(strokes, 0.45)) {
          fillRectangle(
            canvas,
            0,
            0,
            64,
            horizon,
            clouds(strokes, lighten(sky, 0.4), lighten(sky, -0.2), between(strokes, 12, 22)),
          );
        }
        const wet = type === 'boat';
        const backdropKind = integer(strokes, 0, 2);
        if (backdropKind === 0 && !wet) {
          let x = between(strokes, -8, 0);
          while (x < 64) {
            const width = between(strokes, 9, 18);
            const tall = between(strokes, 8, horizon - 3);
            fillRectangle(canvas, x, horizon - tall, width, tall + 2, anyColour(strokes, 0.15, 0.8));
            x += width + between(strokes, 0, 4);
          }
        } else if (backdropKind === 1) {
          const hill = anyColour(strokes, 0.15, 0.6);
          for (let bump = 0; bump < 3; bump++) {
            fillEllipse(
              canvas,
              between(strokes, 0, 64),
              horizon + 2,
              between(strokes, 14, 28),
              between(strokes, 5, 16),
              lighten(hill, bump * 0.12),
            );
          }
        }
        const ground = wet
          ? tint(
              strokes,
              pick(strokes, [
                [0.1, 0.35, 0.6],
                [0.15, 0.5, 0.55],
                [0.2, 0.25, 0.4],
              ] as const),
              0.25,
            )
          : anyColour(strokes, 0.15, 0.75);
        fillRectangle(
          canvas,
          0,
          horizon,
          64,
          64,
          gradient(0, horizon, between(strokes, -20, 20), 66, lighten(ground, 0.3), lighten(ground, -0.4)),
        );
        const y = between(strokes, Math.max(horizon + 4, 42), 60);
        const x = between(strokes, 27, 37);
        const s = between(strokes, 0.8, 1.3);
        if (wet) fillEllipse(canvas, x, y, 20 * s, 2.5, lighten(ground, 0.5), 0.5);
        else fillEllipse(canvas, x, y, 23 * s, 3, [0, 0, 0], 0.4);
        draw(canvas, strokes, x, y, s, tint(strokes, colour));
        if (wet) fillRectangle(canvas, 0, y - 1.2, 64, 64, lighten(ground, -0.1), 0.65);
        if (chance(strokes, 0.5)) mirror(canvas);
      },
    };
  },
};
