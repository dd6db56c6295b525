import { between, chance, integer, pick, type Random, randomFor } from '../random.ts';
import {
  type Canvas,
  fill,
  fillEllipse,
  fillPolygon,
  fillRectangle,
  multiply,
  type Shader,
} from './canvas.ts';
import {
  anyColour,
  backdrop,
  clouds,
  daylight,
  gradient,
  lighten,
  mix,
  pattern,
  patternNames,
  tint,
} from './paints.ts';
import { drawPlant, drawRoom, pieces } from './room.ts';
import {
  adjectives,
  landforms,
  materials,
  namedColours,
  placeName,
  shops,
  surnames,
  titleWords,
} from './words.ts';

/** Pixels [x, y, width, height]. */
export type Region = readonly [number, number, number, number];

/** A template family: one scene in which only the region varies. */
export interface Family {
  readonly scene: string;
  readonly region: Region;
  caption(variant: number): string;
  draw(variant: number, canvas: Canvas): void;
}

interface Setting {
  /** The kind of picture that it looks like. */
  readonly scene: string;
  /** Words around the varying '{}', which names pattern, colour and code. */
  readonly template: (random: Random) => string;
  readonly region: (random: Random) => Region;
  readonly behind: (canvas: Canvas, random: Random, region: Region) => void;
  readonly before: (canvas: Canvas, random: Random, region: Region) => void;
}

const settings: readonly Setting[] = [
  {
    scene: 'room',
    template: (random) =>
      `${placeName(random)} ${pick(random, materials)} Rug {} in living room | ${pick(random, shops)}`,
    region: (random) => {
      const width = integer(random, 44, 54);
      return [integer(random, 3, 61 - width), integer(random, 43, 45), width, integer(random, 15, 18)];
    },
    behind: (canvas, random, [x, y, width, height]) => {
      drawRoom(canvas, random);
      const piece = pieces[pick(random, ['sofa', 'armchair', 'shelf'])]!;
      piece.draw(
        canvas,
        random,
        between(random, 20, 44),
        y + 1,
        between(random, 0.95, 1.2),
        anyColour(random, 0.2, 0.8),
      );
      fillRectangle(canvas, x - 1, y - 0.5, width + 2, height + 2.5, anyColour(random, 0.1, 0.4));
    },
    before: (canvas, random, [x, y, width, height]) => {
      // A low round table.
      const at = x + width * between(random, 0.3, 0.7);
      const top = anyColour(random, 0.25, 0.8);
      fillEllipse(canvas, at, y + height * 0.5, 9, 3, [0, 0, 0], 0.35);
      fillEllipse(canvas, at, y + height * 0.35, 10, 3.2, lighten(top, -0.45));
      fillEllipse(canvas, at, y + height * 0.25, 10, 3.2, top);
    },
  },
  {
    scene: 'room',
    template: (random) =>
      `Framed wall art "${pick(random, titleWords)}" {} by ${pick(random, surnames)} - ${pick(random, shops)}`,
    region: (random) => [
      integer(random, 8, 20),
      integer(random, 5, 8),
      integer(random, 30, 38),
      integer(random, 24, 28),
    ],
    behind: (canvas, random, [x, y, width, height]) => {
      drawRoom(canvas, random, true);
      fillRectangle(
        canvas,
        x - 2.5,
        y - 2.5,
        width + 5,
        height + 5,
        lighten(anyColour(random, 0.1, 0.9), 0.1),
      );
    },
    before: (canvas, random, [x]) => {
      const piece = pieces[pick(random, ['sofa', 'table', 'bed'])]!;
      piece.draw(
        canvas,
        random,
        between(random, 26, 38),
        61,
        between(random, 1, 1.25),
        anyColour(random, 0.15, 0.8),
      );
      if (chance(random, 0.6)) drawPlant(canvas, random, x > 14 ? 7 : 58, 60);
    },
  },
  {
    scene: 'room',
    template: (random) =>
      `${placeName(random)} ${integer(random, 32, 85)}-inch smart television {} ${pick(random, adjectives)} screen ${pick(random, shops)}`,
    region: (random) => [
      integer(random, 9, 15),
      integer(random, 12, 18),
      integer(random, 38, 44),
      integer(random, 22, 26),
    ],
    behind: (canvas, random, [x, y, width, height]) => {
      const edge = drawRoom(canvas, random, true);
      fillRectangle(
        canvas,
        x - 4,
        Math.max(edge, y + height + 2),
        width + 8,
        14,
        gradient(x, 0, x + width, 0, [0.5, 0.34, 0.2], [0.25, 0.16, 0.1]),
      );
      fillRectangle(canvas, x + width / 2 - 3, y + height, 6, 8, [0.1, 0.1, 0.11]);
      fillRectangle(canvas, x - 2, y - 2, width + 4, height + 4, [0.07, 0.07, 0.08]);
    },
    before: (canvas, random, [x, , width]) => {
      drawPlant(canvas, random, chance(random, 0.5) ? x - 4 : x + width + 5, 62);
    },
  },
  {
    scene: 'book',
    template: (random) =>
      `${placeName(random)} hardcover notebook {} ${integer(random, 80, 240)} pages lined, ${pick(random, shops)}`,
    region: (random) => [
      integer(random, 14, 26),
      integer(random, 8, 12),
      integer(random, 26, 32),
      integer(random, 40, 46),
    ],
    behind: (canvas, random, [x, y, width, height]) => {
      const wall = anyColour(random, 0.15, 0.95);
      fill(canvas, clouds(random, wall, lighten(wall, -0.4), between(random, 14, 26)));
      const table = anyColour(random, 0.1, 0.8);
      const edge = between(random, 42, 50);
      fillRectangle(
        canvas,
        0,
        edge,
        64,
        64 - edge,
        gradient(0, edge, 20, 64, lighten(table, 0.2), lighten(table, -0.3)),
      );
      fillEllipse(canvas, x + width / 2 + 3, y + height, width * 0.75, 4, [0, 0, 0], 0.4);
      fillPolygon(
        canvas,
        [x - 5, y + 3, x + 0.5, y, x + 0.5, y + height, x - 5, y + height - 3],
        lighten(anyColour(random, 0.1, 0.6), -0.3),
      );
      fillRectangle(canvas, x, y, width, height, [0.92, 0.9, 0.86]);
    },
    before: (canvas, random, [x, y, width, height]) => {
      fillRectangle(canvas, x + width * 0.22, y + height * 0.18, width * 0.56, 9, [0.95, 0.94, 0.9]);
      fillRectangle(
        canvas,
        x + width * 0.3,
        y + height * 0.18 + 3.2,
        width * 0.4,
        2.4,
        anyColour(random, 0.1, 0.4),
      );
      fillRectangle(canvas, x + width - 6, y + 0.5, 2.6, height - 1, anyColour(random, 0.05, 0.3));
    },
  },
  {
    scene: 'landscape',
    template: (random) =>
      `Billboard {} at ${placeName(random)} ${pick(random, landforms)} roadside mockup ${pick(random, shops)}`,
    region: (random) => [
      integer(random, 6, 16),
      integer(random, 8, 14),
      integer(random, 40, 46),
      integer(random, 20, 25),
    ],
    behind: (canvas, random, [x, y, width, height]) => {
      const sky = tint(random, [0.5, 0.68, 0.88], 0.35);
      fill(canvas, gradient(0, 0, between(random, -10, 10), 44, sky, lighten(sky, 0.6)));
      fill(canvas, clouds(random, lighten(sky, 0.6), sky, 16), 0.5);
      const hill = anyColour(random, 0.15, 0.5);
      for (let bump = 0; bump < 4; bump++) {
        fillEllipse(
          canvas,
          between(random, 0, 64),
          48,
          between(random, 14, 26),
          between(random, 6, 20),
          lighten(hill, bump * 0.1),
        );
      }
      const ground = mix(tint(random, [0.45, 0.5, 0.3], 0.3), hill, 0.2);
      fillRectangle(
        canvas,
        0,
        46,
        64,
        18,
        gradient(0, 46, 10, 64, lighten(ground, 0.2), lighten(ground, -0.4)),
      );
      for (const share of [0.25, 0.75])
        fillRectangle(canvas, x + width * share - 1.8, y + height, 3.6, 30, [0.25, 0.25, 0.27]);
      fillRectangle(canvas, x - 1.8, y - 1.8, width + 3.6, height + 3.6, [0.85, 0.85, 0.86]);
    },
    before: (canvas, random) => {
      const leaf = tint(random, [0.18, 0.35, 0.16], 0.3);
      for (let bush = 0; bush < 3; bush++)
        fillEllipse(
          canvas,
          between(random, 0, 64),
          60,
          between(random, 6, 12),
          between(random, 4, 9),
          lighten(leaf, bush * 0.12),
        );
    },
  },
  {
    scene: 'flag',
    template: (random) =>
      `${placeName(random)} garden flag {} outdoor banner on pole | ${pick(random, shops)}`,
    region: (random) => [
      integer(random, 12, 16),
      integer(random, 7, 14),
      integer(random, 38, 44),
      integer(random, 26, 32),
    ],
    behind: (canvas, random, [x, y]) => {
      const sky = anyColour(random, 0.3, 0.9);
      fill(canvas, clouds(random, sky, lighten(sky, 0.6), between(random, 14, 24)));
      const lawn = anyColour(random, 0.15, 0.6);
      fillEllipse(canvas, between(random, 10, 54), 66, between(random, 40, 60), between(random, 8, 18), lawn);
      fillRectangle(
        canvas,
        x - 5,
        y - 4,
        4,
        64,
        gradient(x - 5, 0, x - 1, 0, [0.9, 0.9, 0.88], [0.4, 0.4, 0.42]),
      );
    },
    before: (canvas, random, [x, y, width, height]) => {
      const radius = Math.min(width, height) * between(random, 0.2, 0.3);
      fillEllipse(canvas, x + width / 2, y + height / 2, radius, radius, anyColour(random, 0.1, 0.9));
      fillEllipse(
        canvas,
        x + width / 2,
        y + height / 2,
        radius * 0.6,
        radius * 0.6,
        anyColour(random, 0.1, 0.9),
      );
    },
  },
];

/** How many variants of a family have a pattern and colour of their own (7 patterns × 30 colours). */
const looks = patternNames
  .filter((name) => name !== 'plain')
  .flatMap((name) => namedColours.map((named) => ({ name, named })));

/**
 * Template family number `index` for a seed: the setting (rug, wall art, television, notebook, billboard, flag in
 * turn), its layout and its words belong to the family; pattern, colour and code belong to the variant. Pixels
 * outside `region` are the same in all variants.
 */
export function sceneFamily(seed: number, index: number): Family {
  const setting = settings[index % settings.length]!;
  const layout = randomFor('family layout', seed, index);
  const region = setting.region(layout);
  const template = setting.template(layout);
  const order = randomFor('family looks', seed, index).shuffle([...looks]);
  const light: Shader = daylight(layout);
  const look = (variant: number) => order[variant % order.length]!;
  return {
    scene: setting.scene,
    region,
    caption(variant) {
      const { name, named } = look(variant);
      const words = randomFor('family words', seed, index, variant);
      return template.replace('{}', `${name} ${named.name} SKU ${integer(words, 10000, 99999)}`);
    },
    draw(variant, canvas) {
      const { name, named } = look(variant);
      const strokes = randomFor('family variant', seed, index, variant);
      setting.behind(canvas, randomFor('family behind', seed, index), region);
      const [x, y, width, height] = region;
      const a = tint(strokes, named.colour);
      const b = chance(strokes, 0.5) ? lighten(a, pick(strokes, [-0.7, -0.5, 0.6, 0.8])) : anyColour(strokes);
      // A pixel inside, since the averaging tent reaches so far outwards.
      fillRectangle(
        canvas,
        x + 1,
        y + 1,
        width - 2,
        height - 2,
        pattern(strokes, name, a, b, between(strokes, 12, 18)),
      );
      fillRectangle(
        canvas,
        x + 1,
        y + 1,
        width - 2,
        height - 2,
        backdrop(strokes, lighten(a, 0.4), lighten(a, -0.4)),
        0.2,
      );
      setting.before(canvas, randomFor('family before', seed, index), region);
      multiply(canvas, light);
    },
  };
}
