import { between, chance, integer, pick } from '../random.ts';
import { fill, fillEllipse, fillPolygon, fillRectangle } from './canvas.ts';
import { drawCentred, drawText, textCells } from './letters.ts';
import { anyColour, backdrop, contrasting, glow, lighten, mix, ring, star, tint } from './paints.ts';
import type { Scene } from './scene.ts';
import { industries, namedColours, placeName, shops, tags, titleWords, year } from './words.ts';

/** A company's logo: one to three large letters in or beside an emblem, on a two-tone or graded ground. */
export const logo: Scene = {
  name: 'logo',
  compose(random) {
    const company = pick(random, [placeName(random), pick(random, titleWords)]);
    const industry = pick(random, industries);
    const { name: colourName, colour } = pick(random, namedColours);
    const initials = (company[0]! + industry[0]!).toUpperCase();
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `${company} ${industry} logo, ${colourName.toLowerCase()}, since ${year(words)}`;
          case 1:
            return `Letter ${initials} logo design vector for ${company} ${industry} #${integer(words, 100, 9999)}`;
          case 2:
            return `${company.toLowerCase()} ${industry.toLowerCase()} logo ${pick(words, tags)} ${pick(words, tags)} png ${integer(words, 2, 999)}`;
          case 3:
            return `${company} ${industry} Ltd. - company logo (${year(words)}) | ${pick(words, shops)}`;
          default:
            return `${initials} monogram ${colourName.toLowerCase()} emblem icon ${pick(words, tags)} ${company} ${integer(words, 2, 9999)}`;
        }
      },
      draw(strokes, canvas) {
        const ground = anyColour(strokes, 0.04, 0.97);
        const other = mix(ground, anyColour(strokes), between(strokes, 0.3, 0.9));
        switch (integer(strokes, 0, 3)) {
          case 0:
            fill(canvas, backdrop(strokes, ground, other));
            break;
          case 1:
            fill(
              canvas,
              glow(
                between(strokes, 10, 54),
                between(strokes, 10, 54),
                between(strokes, 30, 60),
                lighten(ground, 0.3),
                other,
              ),
            );
            break;
          case 2: {
            fill(canvas, ground);
            const cut = between(strokes, 20, 50);
            fillPolygon(canvas, [0, cut, 64, cut + between(strokes, -25, 25), 64, 64, 0, 64], other);
            break;
          }
          default: {
            fill(canvas, backdrop(strokes, ground, lighten(ground, -0.3)));
            const margin = between(strokes, 3, 7);
            fillRectangle(canvas, margin, margin, 64 - margin * 2, 64 - margin * 2, other);
          }
        }
        const sign = tint(strokes, colour, 0.2);
        const above = chance(strokes, 0.5);
        const x = between(strokes, 24, 40);
        const y = above ? between(strokes, 22, 28) : between(strokes, 29, 35);
        const radius = between(strokes, 14, above ? 20 : 26);
        const turn = strokes.uniform();
        const emblem = integer(strokes, 0, 5);
        const shade = backdrop(strokes, lighten(sign, 0.2), lighten(sign, -0.25));
        if (emblem === 0) fillEllipse(canvas, x, y, radius, radius, shade);
        else if (emblem === 1) fillPolygon(canvas, ring(x, y, radius, radius, 6, turn), shade);
        else if (emblem === 2)
          fillRectangle(canvas, x - radius, y - radius * 0.85, radius * 2, radius * 1.7, shade);
        else if (emblem === 3)
          fillPolygon(
            canvas,
            [
              x - radius,
              y - radius,
              x + radius,
              y - radius,
              x + radius,
              y + radius * 0.3,
              x,
              y + radius * 1.1,
              x - radius,
              y + radius * 0.3,
            ],
            shade,
          );
        else if (emblem === 4)
          fillPolygon(canvas, star(x, y, radius * 1.15, radius * 0.8, integer(strokes, 7, 11), turn), shade);
        else
          fillPolygon(
            canvas,
            ring(x, y, radius * 1.1, radius * 1.1, 4, chance(strokes, 0.5) ? 0 : 0.125),
            shade,
          );
        if (chance(strokes, 0.4)) {
          const inner = contrasting(strokes, sign);
          fillEllipse(canvas, x, y, radius * 0.8, radius * 0.8, inner);
          fillEllipse(canvas, x, y, radius * 0.66, radius * 0.66, shade);
        }
        const ink = contrasting(strokes, sign);
        const cell = (radius * 1.15) / textCells(initials);
        drawText(
          canvas,
          initials,
          x - (textCells(initials) * cell) / 2,
          y - 3.5 * cell * 1.3,
          cell,
          ink,
          cell * 1.3,
        );
        if (above) {
          const line = company.length <= 6 ? company.toUpperCase() : '';
          const strip = contrasting(strokes, mix(ground, other, 0.5));
          const top = between(strokes, 48, 51);
          if (line !== '' && chance(strokes, 0.5)) {
            fillRectangle(canvas, 3, top - 2, 58, 12, strip);
            drawCentred(canvas, line, 32, top, 52, 1.3, contrasting(strokes, strip));
          } else if (line !== '') drawCentred(canvas, line, 32, top, 56, 1.4, strip);
          else fillRectangle(canvas, 32 - radius, top + 1, radius * 2, 4, strip);
        } else if (chance(strokes, 0.5)) {
          fillRectangle(
            canvas,
            between(strokes, 4, 14),
            between(strokes, 56, 59),
            between(strokes, 30, 46),
            2.4,
            ink,
          );
        }
      },
    };
  },
};
