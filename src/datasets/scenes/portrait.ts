import { between, chance, integer, pick } from '../random.ts';
import { type Colour, fill, fillEllipse, fillPolygon, fillRectangle, mirror, strokeLine } from './canvas.ts';
import {
  anyColour,
  backdrop,
  clouds,
  glow,
  gradient,
  lighten,
  mix,
  pattern,
  patternNames,
  tint,
} from './paints.ts';
import type { Scene } from './scene.ts';
import {
  firstNames,
  moods,
  namedColours,
  placeName,
  professions,
  shops,
  surnames,
  tags,
  year,
} from './words.ts';

const hairColours: readonly Colour[] = [
  [0.08, 0.06, 0.06],
  [0.3, 0.18, 0.1],
  [0.55, 0.33, 0.15],
  [0.88, 0.72, 0.4],
  [0.7, 0.28, 0.12],
  [0.75, 0.75, 0.76],
];

/** A face drawn from shapes, head and shoulders, before a wall, a glow or bokeh. */
export const portrait: Scene = {
  name: 'portrait',
  compose(random) {
    const person = `${pick(random, firstNames)} ${pick(random, surnames)}`;
    const profession = pick(random, professions);
    const mood = pick(random, moods);
    const { name: colourName, colour } = pick(random, namedColours);
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `Portrait of ${mood} ${profession} in ${colourName.toLowerCase()} shirt - ${pick(words, shops)} ${integer(words, 1000, 99999)}`;
          case 1:
            return `${person}, ${profession} at ${placeName(words)} University, ${year(words)}`;
          case 2:
            return `${mood} ${profession} avatar face ${pick(words, tags)} ${pick(words, tags)} ${person.toLowerCase()} ${integer(words, 2, 999)}`;
          case 3:
            return `${person} speaks in ${placeName(words)} (photo: ${pick(words, shops)}, ${year(words)})`;
          default:
            return `Meet ${person}: ${mood} ${profession} from ${placeName(words)} | Team ${integer(words, 2, 99)}`;
        }
      },
      draw(strokes, canvas) {
        const wall = anyColour(strokes, 0.06, 0.95);
        const other = anyColour(strokes, 0.06, 0.95);
        switch (integer(strokes, 0, 3)) {
          case 0:
            fill(canvas, backdrop(strokes, wall, other));
            break;
          case 1:
            fill(
              canvas,
              glow(
                between(strokes, 5, 59),
                between(strokes, 5, 40),
                between(strokes, 35, 60),
                lighten(wall, 0.35),
                lighten(wall, -0.5),
              ),
            );
            break;
          case 2:
            fill(canvas, clouds(strokes, wall, other, between(strokes, 10, 22)));
            break;
          default:
            fill(canvas, wall);
            for (let spot = 0; spot < 6; spot++) {
              const radius = between(strokes, 5, 12);
              fillEllipse(
                canvas,
                between(strokes, 0, 64),
                between(strokes, 0, 44),
                radius,
                radius,
                mix(wall, other, between(strokes, 0.3, 1)),
                0.7,
              );
            }
        }
        const skin = mix(
          mix([0.3, 0.18, 0.12], [0.97, 0.8, 0.68], strokes.uniform()),
          anyColour(strokes, 0.4, 0.7),
          0.1,
        );
        const hair = chance(strokes, 0.85)
          ? tint(strokes, pick(strokes, hairColours))
          : anyColour(strokes, 0.2, 0.7);
        const x = between(strokes, 24, 40);
        const y = between(strokes, 23, 34);
        const wide = between(strokes, 10, 15.5);
        const tall = wide * between(strokes, 1.15, 1.4);
        const cloth = tint(strokes, colour);
        const style = integer(strokes, 0, 4);
        if (style === 1) fillEllipse(canvas, x, y + 3, wide * 1.4, tall * 1.35, hair);
        if (style === 2) fillRectangle(canvas, x - wide * 1.25, y - tall * 0.3, wide * 2.5, tall * 1.7, hair);
        const shoulder = y + tall + between(strokes, 2, 5);
        const span = between(strokes, 20, 32);
        const shirt = chance(strokes, 0.4)
          ? pattern(
              strokes,
              pick(strokes, patternNames),
              cloth,
              lighten(cloth, chance(strokes, 0.5) ? 0.5 : -0.5),
            )
          : gradient(x - span, 0, x + span, 0, lighten(cloth, 0.2), lighten(cloth, -0.35));
        fillPolygon(
          canvas,
          [
            x - span,
            66,
            x - span * 0.9,
            shoulder + 6,
            x - 7,
            shoulder,
            x + 7,
            shoulder,
            x + span * 0.9,
            shoulder + 6,
            x + span,
            66,
          ],
          shirt,
        );
        fillRectangle(canvas, x - 4.5, y + tall * 0.6, 9, shoulder - y - tall * 0.4, lighten(skin, -0.22));
        if (chance(strokes, 0.4))
          fillPolygon(
            canvas,
            [x - 7, shoulder - 1, x + 7, shoulder - 1, x, shoulder + 9],
            lighten(skin, -0.1),
          );
        fillEllipse(canvas, x - wide, y + 1, 2.6, 3.6, lighten(skin, -0.15));
        fillEllipse(canvas, x + wide, y + 1, 2.6, 3.6, lighten(skin, -0.15));
        fillEllipse(
          canvas,
          x,
          y,
          wide,
          tall,
          gradient(x - wide, y - tall, x + wide, y + tall, lighten(skin, 0.15), lighten(skin, -0.22)),
        );
        if (style !== 4) {
          const fringe = between(strokes, 0.35, 0.75);
          const points: number[] = [];
          for (let step = 0; step <= 12; step++) {
            const offset = -1.12 + (step / 12) * 2.24;
            points.push(
              x + wide * offset,
              y - tall * 1.15 * Math.sqrt(Math.max(0, 1 - (offset / 1.13) * (offset / 1.13))) - 0.5,
            );
          }
          points.push(
            x + wide * 1.05,
            y,
            x + wide * between(strokes, 0.3, 0.9),
            y - tall * fringe,
            x - wide * between(strokes, 0.3, 0.9),
            y - tall * fringe,
            x - wide * 1.05,
            y,
          );
          fillPolygon(canvas, points, hair);
        }
        if (style === 3) fillEllipse(canvas, x, y - tall * 1.2, wide * 0.5, wide * 0.45, hair);
        const eyeY = y - tall * between(strokes, 0, 0.15);
        const apart = wide * between(strokes, 0.36, 0.5);
        const iris = anyColour(strokes, 0.08, 0.35);
        for (const eyeX of [x - apart, x + apart]) {
          fillEllipse(canvas, eyeX, eyeY, 3, 2.1, [0.97, 0.97, 0.96]);
          fillEllipse(canvas, eyeX + between(strokes, -0.4, 0.4), eyeY, 1.5, 1.7, iris);
          strokeLine(canvas, [eyeX - 2.6, eyeY - 4, eyeX + 2.6, eyeY - 4], 1.4, lighten(hair, -0.3));
        }
        if (chance(strokes, 0.3)) {
          const frame = anyColour(strokes, 0.03, 0.4);
          for (const eyeX of [x - apart, x + apart]) {
            fillEllipse(canvas, eyeX, eyeY, 4.4, 3.8, frame, 0.85);
            fillEllipse(canvas, eyeX, eyeY, 3, 2.5, [0.8, 0.88, 0.92]);
            fillEllipse(canvas, eyeX, eyeY, 1.4, 1.5, iris);
          }
        }
        fillPolygon(
          canvas,
          [x, eyeY + 2, x + 2.2, y + tall * 0.3, x - 1.4, y + tall * 0.3],
          lighten(skin, -0.28),
        );
        const smile =
          mood === 'serious' || mood === 'thoughtful' ? between(strokes, -1, 0.5) : between(strokes, 1, 3);
        const mouth = wide * between(strokes, 0.3, 0.5);
        const lip = mix([0.7, 0.2, 0.22], skin, between(strokes, 0, 0.5));
        const level = y + tall * 0.55;
        strokeLine(
          canvas,
          [
            x - mouth,
            level - smile * 0.5,
            x - mouth / 2,
            level + smile * 0.4,
            x + mouth / 2,
            level + smile * 0.4,
            x + mouth,
            level - smile * 0.5,
          ],
          between(strokes, 1.8, 2.8),
          lip,
        );
        if (chance(strokes, 0.2)) fillEllipse(canvas, x, y + tall * 0.86, wide * 0.55, tall * 0.2, hair);
        if (chance(strokes, 0.5)) mirror(canvas);
      },
    };
  },
};
