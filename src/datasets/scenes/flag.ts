import { between, chance, integer, pick } from '../random.ts';
import { type Colour, fill, fillEllipse, fillPolygon, fillRectangle, multiply } from './canvas.ts';
import { anyColour, backdrop, clouds, gradient, lighten, sine, star, tint } from './paints.ts';
import type { Scene } from './scene.ts';
import { namedColours, placeName, printSize, productCode, regions, shops, tags, year } from './words.ts';

/** A flag: full frame, or on a pole before a sky; stripes, crosses, cantons and emblems, with folds of cloth. */
export const flag: Scene = {
  name: 'flag',
  compose(random) {
    const country = `${placeName(random)}`;
    const kind = pick(random, regions);
    const first = pick(random, namedColours);
    const second = pick(
      random,
      namedColours.filter((other) => other !== first),
    );
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `Flag of ${country} (${first.name} and ${second.name}), ${year(words)}`;
          case 1:
            return `${country} ${kind} National Flag ${integer(words, 2, 6)}x${integer(words, 3, 9)} ft polyester | ${productCode(words)}`;
          case 2:
            return `flag ${country.toLowerCase()} ${first.name.toLowerCase()} ${second.name.toLowerCase()} ${pick(words, tags)} ${pick(words, tags)} ${integer(words, 2, 999)}`;
          case 3:
            return `Waving flag of the ${country} ${kind} - ${pick(words, shops)} ${productCode(words)}`;
          default:
            return `${kind} of ${country} flag, ${first.name}/${second.name}, ${printSize(words)} - ${pick(words, shops)}`;
        }
      },
      draw(strokes, canvas) {
        const onPole = chance(strokes, 0.45);
        if (onPole) {
          const sky = anyColour(strokes, 0.2, 0.9);
          fill(
            canvas,
            clouds(strokes, sky, lighten(sky, between(strokes, 0.3, 0.8)), between(strokes, 12, 24)),
          );
        }
        const left = onPole ? between(strokes, 5, 14) : 0;
        const top = onPole ? between(strokes, 3, 14) : 0;
        const width = onPole ? between(strokes, 40, 64 - left) : 64;
        const height = onPole ? between(strokes, 28, 44) : 64;
        if (onPole)
          fillRectangle(
            canvas,
            left - 4,
            top - 3,
            4,
            64,
            gradient(left - 4, 0, left, 0, [0.9, 0.9, 0.88], [0.4, 0.4, 0.42]),
          );
        const a = tint(strokes, first.colour);
        const b = tint(strokes, second.colour);
        const c: Colour = chance(strokes, 0.5) ? [0.95, 0.95, 0.93] : anyColour(strokes, 0.05, 0.95);
        const order = pick(strokes, [
          [a, b, c],
          [a, c, b],
          [b, a, c],
          [b, c, a],
          [c, a, b],
        ] as const);
        const layout = integer(strokes, 0, 5);
        const right = left + width;
        const bottom = top + height;
        fillRectangle(canvas, left, top, width, height, order[0]);
        if (layout === 0) {
          const first = between(strokes, 0.2, 0.45);
          const second = first + between(strokes, 0.2, 0.35);
          fillRectangle(canvas, left, top + height * first, width, height * (1 - first), order[1]);
          fillRectangle(canvas, left, top + height * second, width, height * (1 - second), order[2]);
        } else if (layout === 1) {
          const first = between(strokes, 0.2, 0.45);
          const second = first + between(strokes, 0.2, 0.35);
          fillRectangle(canvas, left + width * first, top, width * (1 - first), height, order[1]);
          fillRectangle(canvas, left + width * second, top, width * (1 - second), height, order[2]);
        } else if (layout === 2) {
          const x = left + width * between(strokes, 0.25, 0.55);
          const y = top + height * between(strokes, 0.35, 0.65);
          const thick = between(strokes, 7, 13);
          fillRectangle(canvas, left, y - thick / 2, width, thick, order[1]);
          fillRectangle(canvas, x - thick / 2, top, thick, height, order[1]);
          fillRectangle(canvas, left, y - thick / 5, width, thick / 2.5, order[2]);
          fillRectangle(canvas, x - thick / 5, top, thick / 2.5, height, order[2]);
        } else if (layout === 3) {
          fillRectangle(canvas, left, top + height / 2, width, height / 2, order[1]);
          fillPolygon(
            canvas,
            [left, top, left + width * between(strokes, 0.3, 0.6), top + height / 2, left, bottom],
            order[2],
          );
        } else if (layout === 4) {
          const stripes = integer(strokes, 2, 3);
          const each = height / (stripes * 2 + 1);
          for (let stripe = 0; stripe < stripes; stripe++)
            fillRectangle(canvas, left, top + each * (stripe * 2 + 1), width, each, order[1]);
          fillRectangle(
            canvas,
            left,
            top,
            width * between(strokes, 0.35, 0.5),
            each * (stripes + (stripes % 2 === 0 ? 1 : 0)),
            order[2],
          );
        } else {
          fillPolygon(canvas, [left, bottom, right, top, right, bottom], order[1]);
          const band = between(strokes, 5, 9);
          fillPolygon(
            canvas,
            [
              left,
              bottom - band,
              right - band,
              top,
              right,
              top,
              right,
              top + band,
              left + band,
              bottom,
              left,
              bottom,
            ],
            order[2],
          );
        }
        if (chance(strokes, 0.65)) {
          const x = left + width * between(strokes, 0.2, 0.75);
          const y = top + height * between(strokes, 0.3, 0.65);
          const radius = Math.min(width, height) * between(strokes, 0.14, 0.25);
          const ink = chance(strokes, 0.5) ? anyColour(strokes, 0.75, 0.95) : anyColour(strokes, 0.05, 0.5);
          if (chance(strokes, 0.5))
            fillPolygon(canvas, star(x, y, radius, radius * 0.5, integer(strokes, 5, 8)), ink);
          else {
            fillEllipse(canvas, x, y, radius, radius, ink);
            if (chance(strokes, 0.5))
              fillEllipse(canvas, x + radius * 0.35, y, radius * 0.75, radius * 0.75, order[1]);
          }
        }
        if (chance(strokes, 0.85)) {
          const depth = between(strokes, 0.12, 0.3);
          const waves = between(strokes, 0.8, 2.4) / 64;
          const slant = between(strokes, -0.012, 0.012);
          const phase = strokes.uniform();
          multiply(canvas, (x, y, out) => {
            const inside = x >= left && x < right && y >= top && y < bottom;
            const light = inside ? 1 - depth + depth * sine(x * waves + y * slant + phase) : 1;
            out.fill(light);
          });
        } else {
          multiply(canvas, backdrop(strokes, [1, 1, 1], [0.7, 0.7, 0.7]));
        }
      },
    };
  },
};
