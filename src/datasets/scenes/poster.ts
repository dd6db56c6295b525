import { between, chance, integer, pick } from '../random.ts';
import { fill, fillEllipse, fillPolygon, fillRectangle, strokeLine } from './canvas.ts';
import { drawCentred } from './letters.ts';
import {
  anyColour,
  clouds,
  contrasting,
  cosine,
  glow,
  gradient,
  lighten,
  mix,
  sine,
  star,
} from './paints.ts';
import type { Scene } from './scene.ts';
import {
  genres,
  placeName,
  printSize,
  shops,
  shortTitleWords,
  surnames,
  tags,
  titleAdjectives,
  year,
} from './words.ts';

/** A film poster: sky of rays or clouds, a large emblem, figures in front, title block below or above. */
export const poster: Scene = {
  name: 'film-poster',
  compose(random) {
    const adjective = pick(random, titleAdjectives);
    const noun = pick(random, shortTitleWords);
    const title = `The ${adjective} ${noun}`;
    const released = year(random);
    const director = pick(random, surnames);
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `${title} (${released}) - original film poster ${printSize(words)}`;
          case 1:
            return `${title} movie poster ${released} directed by ${director} ${printSize(words)} ${pick(words, shops)}`;
          case 2:
            return `${title.toLowerCase()} ${released} vintage movie poster ${pick(words, tags)} no. ${integer(words, 2, 999)}`;
          case 3:
            return `"${title}" one-sheet poster, ${director}, ${placeName(words)} Pictures ${released}`;
          default:
            return `Poster for ${title} (${released}), ${pick(words, genres)} by ${director} | ${pick(words, shops)}`;
        }
      },
      draw(strokes, canvas) {
        const sky = anyColour(strokes, 0.05, 0.8);
        const deep = lighten(anyColour(strokes, 0.05, 0.5), -0.3);
        const bright = contrasting(strokes, sky);
        const titleAbove = chance(strokes, 0.35);
        const block = between(strokes, 13, 20);
        const middle = titleAbove ? between(strokes, 34, 46) : between(strokes, 20, 32);
        const x = between(strokes, 20, 44);
        switch (integer(strokes, 0, 2)) {
          case 0:
            fill(canvas, glow(x, middle, between(strokes, 34, 56), lighten(sky, 0.35), deep));
            break;
          case 1:
            fill(canvas, clouds(strokes, sky, deep, between(strokes, 12, 26)));
            break;
          default: {
            fill(canvas, sky);
            const rays = integer(strokes, 4, 6);
            const turn = strokes.uniform();
            for (let ray = 0; ray < rays; ray++) {
              const from = ray / rays + turn;
              const to = from + 0.5 / rays;
              fillPolygon(
                canvas,
                [
                  x,
                  middle,
                  x + 90 * cosine(from),
                  middle + 90 * sine(from),
                  x + 90 * cosine(to),
                  middle + 90 * sine(to),
                ],
                mix(sky, deep, 0.6),
              );
            }
          }
        }
        const size = between(strokes, 9, 19);
        switch (integer(strokes, 0, 3)) {
          case 0:
            fillEllipse(
              canvas,
              x,
              middle,
              size,
              size,
              gradient(x, middle - size, x, middle + size, bright, mix(bright, sky, 0.5)),
            );
            break;
          case 1:
            fillPolygon(
              canvas,
              star(x, middle, size * 1.25, size * 0.6, integer(strokes, 4, 7), strokes.uniform()),
              bright,
            );
            break;
          case 2:
            fillPolygon(
              canvas,
              [x - size * 1.5, middle + size, x, middle - size * 1.2, x + size * 1.5, middle + size],
              gradient(x - size, 0, x + size, 0, bright, mix(bright, deep, 0.6)),
            );
            break;
          default:
            fillRectangle(
              canvas,
              x - size * 0.8,
              middle - size,
              size * 1.6,
              size * 2.4,
              gradient(0, middle - size, 0, middle + size, bright, deep),
            );
        }
        const feet = titleAbove ? 64 : 64 - block;
        const figures = integer(strokes, 1, 3);
        for (let figure = 0; figure < figures; figure++) {
          const at = 32 + (figure - (figures - 1) / 2) * between(strokes, 12, 19) + between(strokes, -6, 6);
          const tall = between(strokes, 17, 32);
          const coat = chance(strokes, 0.6) ? lighten(deep, -0.4) : anyColour(strokes, 0.1, 0.6);
          const skin = mix([0.4, 0.25, 0.17], [0.95, 0.78, 0.65], strokes.uniform());
          fillPolygon(
            canvas,
            [
              at - tall * 0.13,
              feet - tall * 0.72,
              at + tall * 0.13,
              feet - tall * 0.72,
              at + tall * 0.3,
              feet,
              at - tall * 0.3,
              feet,
            ],
            coat,
          );
          fillEllipse(
            canvas,
            at,
            feet - tall * 0.84,
            tall * 0.13,
            tall * 0.16,
            chance(strokes, 0.6) ? skin : coat,
          );
          if (chance(strokes, 0.35))
            strokeLine(
              canvas,
              [at - tall * 0.22, feet - tall * 0.93, at + tall * 0.22, feet - tall * 0.93],
              2.4,
              coat,
            );
        }
        const band = chance(strokes, 0.5) ? lighten(deep, -0.5) : anyColour(strokes, 0.05, 0.95);
        const top = titleAbove ? 0 : 64 - block;
        fillRectangle(canvas, 0, top, 64, block, band);
        const ink = mix(contrasting(strokes, band), band, 0.2);
        const height = drawCentred(canvas, noun.toUpperCase(), 32, top + 3, 56, 1.7, ink);
        fillRectangle(
          canvas,
          between(strokes, 8, 18),
          top + 3 + height + 2,
          between(strokes, 24, 38),
          1.8,
          mix(ink, band, 0.35),
        );
        if (chance(strokes, 0.3)) {
          const frame = lighten(anyColour(strokes, 0.6, 0.95), 0.3);
          for (const [fx, fy, fw, fh] of [
            [0, 0, 64, 3],
            [0, 61, 64, 3],
            [0, 0, 3, 64],
            [61, 0, 3, 64],
          ] as const) {
            fillRectangle(canvas, fx, fy, fw, fh, frame);
          }
        }
      },
    };
  },
};
