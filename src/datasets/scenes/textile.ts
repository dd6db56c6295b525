import { between, chance, integer, pick } from '../random.ts';
import { fill, fillEllipse, fillPolygon, multiply } from './canvas.ts';
import {
  anyColour,
  backdrop,
  clouds,
  contrasting,
  lighten,
  mix,
  type PatternName,
  pattern,
  patternNames,
  ring,
  star,
  tint,
} from './paints.ts';
import type { Scene } from './scene.ts';
import { materials, namedColours, placeName, productCode, shops, tags } from './words.ts';

const goods = [
  'Fabric',
  'Curtain',
  'Wallpaper',
  'Tablecloth',
  'Scarf',
  'Wrapping Paper',
  'Quilt',
  'Shirt Cloth',
] as const;
const motifs = ['floral', 'starry', 'leafy', ...patternNames.filter((name) => name !== 'plain')] as const;

/** A cloth or paper that fills the frame with a coarse repeat: a pattern of two colours or scattered motifs. */
export const textile: Scene = {
  name: 'textile',
  compose(random) {
    const good = pick(random, goods);
    const motif = pick(random, motifs);
    const { name: colourName, colour } = pick(random, namedColours);
    const brand = placeName(random);
    return {
      caption(words) {
        const material = pick(words, materials);
        switch (integer(words, 0, 3)) {
          case 0:
            return `${brand} ${material} ${good}, ${motif} ${colourName.toLowerCase()}, ${integer(words, 1, 9)}.${integer(words, 0, 9)} m`;
          case 1:
            return `${motif} pattern ${colourName.toLowerCase()} ${good.toLowerCase()} by ${brand} - ${productCode(words)}`;
          case 2:
            return `seamless ${motif} ${pick(words, tags)} ${colourName.toLowerCase()} ${pick(words, tags)} ${pick(words, tags)} ${integer(words, 2, 9999)}`;
          default:
            return `${colourName} ${motif} ${good} "${brand}" ${integer(words, 50, 300)} cm wide | ${pick(words, shops)}`;
        }
      },
      draw(strokes, canvas) {
        const main = tint(strokes, colour, 0.2);
        const other = contrasting(strokes, main);
        const swap = chance(strokes, 0.5);
        const ground = swap ? other : main;
        const ink = swap ? main : other;
        if ((patternNames as readonly string[]).includes(motif)) {
          fill(canvas, pattern(strokes, motif as PatternName, ink, ground));
          if (motif === 'striped' && chance(strokes, 0.5))
            fill(canvas, pattern(strokes, 'striped', anyColour(strokes), ground), 0.45);
        } else {
          fill(
            canvas,
            chance(strokes, 0.5)
              ? clouds(strokes, ground, lighten(ground, -0.3), 16)
              : backdrop(strokes, ground, mix(ground, anyColour(strokes), 0.5)),
          );
          const step = between(strokes, 15, 25);
          const shear = between(strokes, 0, 0.5);
          const offsetX = strokes.uniform() * step;
          const offsetY = strokes.uniform() * step;
          const petals = integer(strokes, 4, 6);
          const turn = strokes.uniform();
          const centre = anyColour(strokes, 0.5, 0.9);
          for (let row = -1; row < 64 / step + 1; row++) {
            for (let column = -2; column < 64 / step + 2; column++) {
              const x = offsetX + (column + (row % 2) * shear) * step;
              const y = offsetY + row * step;
              if (motif === 'starry')
                fillPolygon(canvas, star(x, y, step * 0.42, step * 0.19, petals, turn), ink);
              else if (motif === 'leafy')
                fillPolygon(
                  canvas,
                  ring(x, y, step * 0.46, step * 0.22, 14, 0).map((value, index, all) =>
                    index % 2 === 0 ? value : value + (all[index - 1]! - x) * (turn - 0.5) * 2,
                  ),
                  (row + column) % 2 === 0 ? ink : mix(ink, centre, 0.6),
                );
              else {
                for (let petal = 0; petal < petals; petal++) {
                  const [px, py] = ring(x, y, step * 0.24, step * 0.24, petals, turn).slice(
                    petal * 2,
                    petal * 2 + 2,
                  );
                  fillEllipse(canvas, px!, py!, step * 0.17, step * 0.17, ink);
                }
                fillEllipse(canvas, x, y, step * 0.14, step * 0.14, centre);
              }
            }
          }
        }
        multiply(canvas, clouds(strokes, [1.05, 1.05, 1.05], [0.65, 0.65, 0.68], between(strokes, 18, 34)));
      },
    };
  },
};
