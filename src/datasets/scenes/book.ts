import { between, chance, integer, pick } from '../random.ts';
import { fill, fillEllipse, fillPolygon, fillRectangle } from './canvas.ts';
import { drawCentred } from './letters.ts';
import {
  anyColour,
  backdrop,
  clouds,
  contrasting,
  glow,
  lighten,
  mix,
  pattern,
  patternNames,
  ring,
  star,
  tint,
} from './paints.ts';
import type { Scene } from './scene.ts';
import {
  firstNames,
  genres,
  namedColours,
  placeName,
  shops,
  shortTitleWords,
  surnames,
  tags,
  titleAdjectives,
  titleWords,
  year,
} from './words.ts';

/** A book that stands on a table: cover with title and device, a spine that shows its thickness, a shadow. */
export const book: Scene = {
  name: 'book',
  compose(random) {
    const noun = pick(random, shortTitleWords);
    const title = chance(random, 0.5)
      ? `${pick(random, titleAdjectives)} ${noun}`
      : `${noun} and ${pick(random, titleWords)}`;
    const author = `${pick(random, firstNames)} ${pick(random, surnames)}`;
    const { name: colourName, colour } = pick(random, namedColours);
    const genre = pick(random, genres);
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `${title}: a ${genre} by ${author} (${pick(words, ['paperback', 'hardcover'])}, ${year(words)})`;
          case 1:
            return `${author} - "${title}", ${colourName.toLowerCase()} cover, ISBN ${integer(words, 100000, 999999)}`;
          case 2:
            return `${title.toLowerCase()} ${genre} book ${author.toLowerCase()} ${pick(words, tags)} ${integer(words, 2, 999)}`;
          case 3:
            return `Book cover: ${title} by ${author}, ${placeName(words)} Press ${year(words)}`;
          default:
            return `${pick(words, shops)} | ${title} (${genre}) ${author}, vol. ${integer(words, 1, 40)}`;
        }
      },
      draw(strokes, canvas) {
        const wall = anyColour(strokes, 0.1, 0.95);
        fill(
          canvas,
          chance(strokes, 0.5)
            ? backdrop(strokes, wall, mix(wall, anyColour(strokes), 0.6))
            : clouds(strokes, wall, lighten(wall, -0.4), between(strokes, 14, 26)),
        );
        const edge = between(strokes, 44, 54);
        const table = anyColour(strokes, 0.1, 0.8);
        fillRectangle(
          canvas,
          0,
          edge,
          64,
          64 - edge,
          glow(
            between(strokes, 0, 64),
            edge,
            between(strokes, 25, 50),
            lighten(table, 0.3),
            lighten(table, -0.25),
          ),
        );
        const width = between(strokes, 26, 37);
        const height = between(strokes, 38, 50);
        const left = between(strokes, 9, 55 - width);
        const bottom = between(strokes, Math.max(edge + 2, height + 3), 61);
        const top = bottom - height;
        const thick = between(strokes, 4, 8);
        const cover = tint(strokes, colour);
        fillEllipse(canvas, left + width / 2 + 3, bottom, width * 0.7, 3.2, [0, 0, 0], 0.4);
        fillPolygon(
          canvas,
          [left - thick, top + 2.5, left, top, left, bottom, left - thick, bottom - 2.5],
          lighten(cover, -0.5),
        );
        fillRectangle(
          canvas,
          left,
          top,
          width,
          height,
          backdrop(strokes, lighten(cover, 0.1), lighten(cover, -0.2)),
        );
        const art = anyColour(strokes, 0.1, 0.9);
        const centre = left + width / 2;
        const titleTop = chance(strokes, 0.6);
        const artTop = titleTop ? top + height * 0.36 : top + height * 0.06;
        const artHeight = height * between(strokes, 0.42, 0.56);
        switch (integer(strokes, 0, 3)) {
          case 0:
            fillRectangle(
              canvas,
              left + 3,
              artTop,
              width - 6,
              artHeight,
              pattern(strokes, pick(strokes, patternNames), art, contrasting(strokes, art)),
            );
            break;
          case 1:
            fillEllipse(canvas, centre, artTop + artHeight / 2, width * 0.34, artHeight / 2, art);
            fillPolygon(
              canvas,
              star(centre, artTop + artHeight / 2, width * 0.26, width * 0.13, integer(strokes, 4, 7)),
              contrasting(strokes, art),
            );
            break;
          case 2:
            fillPolygon(
              canvas,
              ring(
                centre,
                artTop + artHeight / 2,
                width * 0.4,
                artHeight / 2,
                integer(strokes, 3, 6),
                strokes.uniform(),
              ),
              art,
            );
            fillEllipse(
              canvas,
              centre + between(strokes, -4, 4),
              artTop + artHeight / 2,
              width * 0.16,
              width * 0.16,
              contrasting(strokes, art),
            );
            break;
          default: {
            fillRectangle(
              canvas,
              left + 2.5,
              artTop,
              width - 5,
              artHeight,
              backdrop(strokes, art, anyColour(strokes)),
            );
            const hill = anyColour(strokes, 0.1, 0.5);
            fillPolygon(
              canvas,
              [
                left + 2.5,
                artTop + artHeight,
                left + width * between(strokes, 0.2, 0.7),
                artTop + artHeight * between(strokes, 0.3, 0.6),
                left + width - 2.5,
                artTop + artHeight,
              ],
              hill,
            );
          }
        }
        const ink = contrasting(strokes, cover);
        const line = titleTop ? top + 4 : top + height * 0.7;
        const tall = drawCentred(canvas, noun.toUpperCase(), centre, line, width - 6, 1.2, ink);
        fillRectangle(
          canvas,
          left + width * 0.2,
          line + tall + 2,
          width * between(strokes, 0.35, 0.6),
          1.8,
          mix(ink, cover, 0.3),
        );
        if (chance(strokes, 0.5)) {
          fillPolygon(
            canvas,
            [left, top, left + width * 0.3, top, left + width * 0.12, bottom, left, bottom],
            [1, 1, 1],
            0.12,
          );
        }
      },
    };
  },
};
