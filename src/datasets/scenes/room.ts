import { between, chance, integer, pick, type Random } from '../random.ts';
import { type Canvas, type Colour, fillEllipse, fillPolygon, fillRectangle, mirror } from './canvas.ts';
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
import { adjectives, materials, namedColours, placeName, productCode, shops, tags } from './words.ts';

type Draw = (canvas: Canvas, random: Random, x: number, floor: number, scale: number, colour: Colour) => void;

const wood = (random: Random): Colour => mix([0.25, 0.15, 0.09], [0.82, 0.66, 0.45], random.uniform());

/** Each piece stands centred on x with its feet at `floor`; `scale` 1 is about 30 pixels wide. */
export const pieces: Readonly<Record<string, { readonly names: readonly string[]; readonly draw: Draw }>> = {
  sofa: {
    names: ['2-Seater Sofa', '3-Seater Sofa', 'Couch', 'Sofa Bed'],
    draw: (canvas, random, x, floor, s, colour) => {
      const width = between(random, 34, 44) * s;
      const back = between(random, 14, 21) * s;
      const left = x - width / 2;
      fillRectangle(canvas, left + 3 * s, floor - 3 * s, 3 * s, 3 * s, wood(random));
      fillRectangle(canvas, left + width - 6 * s, floor - 3 * s, 3 * s, 3 * s, wood(random));
      const backPaint = gradient(
        0,
        floor - back,
        0,
        floor - 3 * s,
        lighten(colour, 0.12),
        lighten(colour, -0.2),
      );
      fillRectangle(canvas, left + 2 * s, floor - back, width - 4 * s, back - 3 * s, backPaint);
      fillRectangle(canvas, left + 3 * s, floor - 10 * s, width - 6 * s, 5 * s, lighten(colour, 0.2));
      fillRectangle(canvas, left, floor - 13 * s, 6 * s, 10 * s, lighten(colour, -0.12));
      fillRectangle(canvas, left + width - 6 * s, floor - 13 * s, 6 * s, 10 * s, lighten(colour, -0.3));
      fillRectangle(canvas, left + 5 * s, floor - 5.5 * s, width - 10 * s, 2.5 * s, lighten(colour, -0.4));
      const cushion = anyColour(random, 0.2, 0.85);
      const cushionX = left + between(random, 7, 14) * s;
      fillPolygon(
        canvas,
        [
          cushionX,
          floor - 17 * s,
          cushionX + 8 * s,
          floor - 16 * s,
          cushionX + 8.5 * s,
          floor - 9 * s,
          cushionX - s,
          floor - 9 * s,
        ],
        cushion,
      );
    },
  },
  armchair: {
    names: ['Armchair', 'Lounge Chair', 'Reading Chair'],
    draw: (canvas, random, x, floor, s, colour) => {
      const back = between(random, 26, 33) * s;
      fillPolygon(
        canvas,
        [x - 10 * s, floor, x - 7 * s, floor - 6 * s, x - 5 * s, floor - 6 * s, x - 7 * s, floor],
        wood(random),
      );
      fillPolygon(
        canvas,
        [x + 10 * s, floor, x + 7 * s, floor - 6 * s, x + 5 * s, floor - 6 * s, x + 7 * s, floor],
        wood(random),
      );
      fillEllipse(canvas, x, floor - back + 9 * s, 11 * s, 10 * s, lighten(colour, -0.1));
      fillRectangle(
        canvas,
        x - 11 * s,
        floor - back + 9 * s,
        22 * s,
        back - 14 * s,
        gradient(x - 11 * s, 0, x + 11 * s, 0, lighten(colour, 0.1), lighten(colour, -0.25)),
      );
      fillEllipse(canvas, x, floor - 11 * s, 12 * s, 4.5 * s, lighten(colour, 0.25));
      fillRectangle(canvas, x - 14 * s, floor - 17 * s, 5 * s, 12 * s, lighten(colour, 0.05));
      fillRectangle(canvas, x + 9 * s, floor - 17 * s, 5 * s, 12 * s, lighten(colour, -0.3));
      fillRectangle(canvas, x - 10 * s, floor - 9 * s, 20 * s, 4 * s, lighten(colour, -0.2));
    },
  },
  lamp: {
    names: ['Floor Lamp', 'Table Lamp', 'Standing Lamp'],
    draw: (canvas, random, x, floor, s, colour) => {
      const height = between(random, 34, 44) * s;
      const metal = lighten(anyColour(random, 0.1, 0.5), -0.2);
      fillEllipse(canvas, x, floor - 1 * s, 8 * s, 2.4 * s, metal);
      fillRectangle(canvas, x - 1.2 * s, floor - height, 2.4 * s, height, metal);
      const top = between(random, 5, 9) * s;
      const bottom = between(random, 10, 14) * s;
      const shade = between(random, 13, 18) * s;
      fillEllipse(canvas, x, floor - height + shade / 2, 20 * s, 18 * s, [1, 0.95, 0.75], 0.22);
      fillPolygon(
        canvas,
        [
          x - top,
          floor - height,
          x + top,
          floor - height,
          x + bottom,
          floor - height + shade,
          x - bottom,
          floor - height + shade,
        ],
        gradient(x - bottom, 0, x + bottom, 0, lighten(colour, 0.45), lighten(colour, -0.2)),
      );
    },
  },
  table: {
    names: ['Coffee Table', 'Dining Table', 'Side Table', 'Desk'],
    draw: (canvas, random, x, floor, s, colour) => {
      const width = between(random, 32, 46) * s;
      const height = between(random, 13, 22) * s;
      const left = x - width / 2;
      const leg = between(random, 2, 3.6) * s;
      for (const offset of [2 * s, width - 2 * s - leg]) {
        fillRectangle(canvas, left + offset, floor - height, leg, height, lighten(colour, -0.35));
      }
      fillRectangle(
        canvas,
        left,
        floor - height - 3.5 * s,
        width,
        4.5 * s,
        gradient(left, 0, left + width, 0, lighten(colour, 0.15), lighten(colour, -0.15)),
      );
      if (chance(random, 0.7)) {
        const vase = anyColour(random, 0.2, 0.8);
        const at = left + width * between(random, 0.25, 0.75);
        const level = floor - height - 3.5 * s;
        fillEllipse(canvas, at, level - 12 * s, 6 * s, 5 * s, tint(random, [0.25, 0.55, 0.25]));
        fillEllipse(canvas, at, level - 4 * s, 3.6 * s, 4.2 * s, vase);
      }
    },
  },
  bed: {
    names: ['Double Bed', 'Bed Frame', 'Duvet Cover'],
    draw: (canvas, random, x, floor, s, colour) => {
      const width = between(random, 40, 50) * s;
      const left = x - width / 2;
      const frame = wood(random);
      const head = between(random, 22, 30) * s;
      fillRectangle(canvas, left, floor - head, 4 * s, head, frame);
      fillRectangle(canvas, left + 3 * s, floor - 13 * s, width - 3 * s, 4 * s, [0.95, 0.94, 0.92]);
      fillPolygon(
        canvas,
        [
          left + 12 * s,
          floor - 15 * s,
          left + width,
          floor - 14 * s,
          left + width,
          floor - 4 * s,
          left + 10 * s,
          floor - 4 * s,
        ],
        gradient(0, floor - 15 * s, 0, floor - 4 * s, lighten(colour, 0.2), lighten(colour, -0.25)),
      );
      fillEllipse(
        canvas,
        left + 9 * s,
        floor - 15 * s,
        6 * s,
        3.6 * s,
        lighten(anyColour(random, 0.6, 0.95), 0.3),
      );
      fillRectangle(canvas, left + 2 * s, floor - 4.5 * s, width - 2 * s, 3 * s, frame);
      fillRectangle(canvas, left + width - 4 * s, floor - 4 * s, 3 * s, 4 * s, frame);
    },
  },
  shelf: {
    names: ['Bookcase', 'Bookshelf', 'Wall Unit', 'Cabinet'],
    draw: (canvas, random, x, floor, s, colour) => {
      const width = between(random, 22, 34) * s;
      const height = between(random, 32, 42) * s;
      const left = x - width / 2;
      fillRectangle(canvas, left, floor - height, width, height, lighten(colour, 0.08));
      const boards = integer(random, 3, 4);
      const gap = (height - 2.4 * s) / boards;
      for (let board = 0; board < boards; board++) {
        const top = floor - height + 2.4 * s + board * gap;
        fillRectangle(canvas, left + 2.4 * s, top, width - 4.8 * s, gap - 2.4 * s, lighten(colour, -0.5));
        let at = left + 3.4 * s;
        while (at < left + width - 9 * s) {
          const thick = between(random, 3, 6) * s;
          const tall = gap * between(random, 0.45, 0.7);
          fillRectangle(canvas, at, top + gap - 2.4 * s - tall, thick, tall, anyColour(random, 0.25, 0.8));
          at += thick + (chance(random, 0.3) ? 4 * s : 0);
        }
      }
    },
  },
};

/** Wall, floor, window, picture, rug: the room in which products are shown. Returns the floor's upper edge. */
export function drawRoom(canvas: Canvas, random: Random, bare = false): number {
  const edge = between(random, 36, 50);
  const wall = anyColour(random, 0.12, 0.95);
  const lit = lighten(wall, between(random, -0.35, 0.35));
  switch (integer(random, 0, 3)) {
    case 0:
      fillRectangle(
        canvas,
        0,
        0,
        64,
        edge,
        clouds(random, wall, lighten(wall, -0.3), between(random, 12, 24)),
      );
      break;
    case 1: {
      const other = mix(wall, anyColour(random, 0.2, 0.9), 0.4);
      fillRectangle(
        canvas,
        0,
        0,
        64,
        edge,
        pattern(random, pick(random, patternNames), wall, other, between(random, 14, 24)),
      );
      break;
    }
    case 2:
      fillRectangle(canvas, 0, 0, 64, edge, backdrop(random, wall, lit));
      fillRectangle(canvas, 0, edge - between(random, 10, 18), 64, 20, anyColour(random, 0.2, 0.9));
      break;
    default:
      fillRectangle(
        canvas,
        0,
        0,
        64,
        edge,
        glow(
          between(random, 0, 64),
          between(random, 0, 30),
          between(random, 40, 70),
          lighten(wall, 0.3),
          lighten(wall, -0.45),
        ),
      );
  }
  const ground = chance(random, 0.6) ? wood(random) : anyColour(random, 0.12, 0.85);
  fillRectangle(
    canvas,
    0,
    edge,
    64,
    64 - edge,
    gradient(0, edge, between(random, -20, 20), 64, lighten(ground, -0.2), lighten(ground, 0.25)),
  );
  fillRectangle(canvas, 0, edge - 1, 64, 2, lighten(ground, chance(random, 0.5) ? 0.6 : -0.5));
  if (bare) return edge;
  if (chance(random, 0.55)) {
    const width = between(random, 14, 24);
    const height = between(random, 14, 26);
    const x = between(random, 2, 60 - width);
    const y = between(random, 2, 8);
    fillRectangle(
      canvas,
      x - 1.5,
      y - 1.5,
      width + 3,
      height + 3,
      lighten(anyColour(random, 0.5, 0.95), 0.3),
    );
    fillRectangle(
      canvas,
      x,
      y,
      width,
      height,
      gradient(x, y, x, y + height, anyColour(random, 0.35, 0.9), anyColour(random, 0.5, 0.97)),
    );
    if (chance(random, 0.5))
      fillEllipse(
        canvas,
        x + width * random.uniform(),
        y + height * 0.7,
        width * 0.3,
        height * 0.3,
        anyColour(random, 0.2, 0.7),
      );
  }
  if (chance(random, 0.45)) {
    fillEllipse(
      canvas,
      between(random, 18, 46),
      (edge + 64) / 2 + 2,
      between(random, 20, 30),
      (64 - edge) * 0.38,
      anyColour(random, 0.2, 0.9),
    );
  }
  return edge;
}

/** A potted plant, its pot on `floor`. */
export function drawPlant(canvas: Canvas, random: Random, x: number, floor: number): void {
  const leaf = tint(random, [0.2, 0.5, 0.24], 0.25);
  const tall = between(random, 12, 22);
  for (let blade = 0; blade < 5; blade++) {
    const tip = x + (blade - 2) * between(random, 2.5, 4.5);
    fillEllipse(canvas, (tip + x) / 2, floor - 7 - tall / 2, 2.6, tall / 2, lighten(leaf, (blade - 2) * 0.1));
    fillEllipse(canvas, tip, floor - 6 - tall * 0.7, 3.2, tall * 0.3, lighten(leaf, (2 - blade) * 0.12));
  }
  fillPolygon(
    canvas,
    [x - 4.5, floor - 8, x + 4.5, floor - 8, x + 3.2, floor, x - 3.2, floor],
    anyColour(random, 0.25, 0.8),
  );
}

/** A piece of furniture for sale, standing in a room. */
export const room: Scene = {
  name: 'room',
  compose(random) {
    const piece = pieces[pick(random, Object.keys(pieces))]!;
    const product = pick(random, piece.names);
    const { name: colourName, colour } = pick(random, namedColours);
    const brand = placeName(random);
    return {
      caption(words) {
        const material = pick(words, materials);
        const shop = pick(words, shops);
        switch (integer(words, 0, 4)) {
          case 0:
            return `${brand} ${product} in ${colourName} | ${productCode(words)}`;
          case 1:
            return `${brand} ${material} ${product}, ${colourName} - ${shop}`;
          case 2:
            return `${pick(words, adjectives)} ${colourName.toLowerCase()} ${product.toLowerCase()} ${brand.toLowerCase()} ${pick(words, tags)} ${pick(words, tags)} ${integer(words, 1, 999)}`;
          case 3:
            return `${product} "${brand}" ${colourName}/${material} ${integer(words, 60, 240)} x ${integer(words, 40, 110)} cm (${shop})`;
          default:
            return `Buy ${brand} ${product} - ${colourName} ${material} ${productCode(words)} | ${shop}`;
        }
      },
      draw(strokes, canvas) {
        const edge = drawRoom(canvas, strokes);
        const floor = between(strokes, edge + 3, 63);
        const x = between(strokes, 20, 44);
        const scale = between(strokes, 0.8, 1.35);
        if (chance(strokes, 0.5))
          drawPlant(
            canvas,
            strokes,
            chance(strokes, 0.5) ? between(strokes, 4, 10) : between(strokes, 54, 60),
            edge + 4,
          );
        fillEllipse(canvas, x, floor, 20 * scale, 3, [0, 0, 0], 0.3);
        piece.draw(canvas, strokes, x, floor, scale, tint(strokes, colour));
        if (chance(strokes, 0.5)) mirror(canvas);
      },
    };
  },
};
