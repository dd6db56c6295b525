import { between, chance, integer, pick } from '../random.ts';
import { fill, fillEllipse, fillPolygon, fillRectangle, strokeLine } from './canvas.ts';
import { anyColour, backdrop, clouds, contrasting, lighten, mix, ring, star, tint } from './paints.ts';
import type { Scene } from './scene.ts';
import { landforms, namedColours, placeName, printSize, regions, shops, tags, year } from './words.ts';

const styles = ['street map', 'road map', 'island map', 'county map', 'metro map'] as const;

/** A map: land in the sea, districts, rivers and roads as thick lines, places as dots, a legend or compass. */
export const map: Scene = {
  name: 'map',
  compose(random) {
    const style = pick(random, styles);
    const place = placeName(random);
    const region = pick(random, regions);
    const { name: colourName, colour } = pick(random, namedColours);
    const drawn = year(random);
    return {
      caption(words) {
        switch (integer(words, 0, 4)) {
          case 0:
            return `${style} of ${place} ${region}, ${drawn} edition, scale 1:${integer(words, 5, 250)}000`;
          case 1:
            return `Antique ${colourName.toLowerCase()} ${style} ${place} (${drawn}) art print ${printSize(words)}`;
          case 2:
            return `${place.toLowerCase()} ${style} ${pick(words, tags)} ${pick(words, tags)} ${colourName.toLowerCase()} ${integer(words, 2, 999)}`;
          case 3:
            return `Map of ${place} and ${placeName(words)} ${pick(words, landforms)} | ${pick(words, shops)} ${integer(words, 100, 9999)}`;
          default:
            return `${region} of ${place}: ${style} with districts, sheet ${integer(words, 1, 480)} (${drawn})`;
        }
      },
      draw(strokes, canvas) {
        const land = tint(strokes, mix(colour, [0.93, 0.89, 0.78], between(strokes, 0.15, 0.5)));
        const sea = anyColour(strokes, 0.15, 0.9);
        const town = style === 'street map' || style === 'metro map';
        if (town) fill(canvas, backdrop(strokes, land, lighten(land, -0.2)));
        else {
          fill(canvas, clouds(strokes, sea, lighten(sea, -0.25), between(strokes, 14, 26)));
          const x = between(strokes, 22, 42);
          const y = between(strokes, 22, 42);
          const corners = integer(strokes, 9, 14);
          const outline = ring(x, y, 1, 1, corners, strokes.uniform());
          const wideX = between(strokes, 20, 34);
          const wideY = between(strokes, 20, 34);
          const points: number[] = [];
          for (let corner = 0; corner < corners; corner++) {
            const reach = between(strokes, 0.65, 1.15);
            points.push(
              x + (outline[corner * 2]! - x) * wideX * reach,
              y + (outline[corner * 2 + 1]! - y) * wideY * reach,
            );
          }
          fillPolygon(canvas, points, backdrop(strokes, lighten(land, 0.1), lighten(land, -0.2)));
          strokeLine(canvas, [...points, points[0]!, points[1]!], 1.8, lighten(land, -0.45));
        }
        const districts = integer(strokes, 2, 4);
        for (let district = 0; district < districts; district++) {
          const radius = between(strokes, 7, 15);
          fillPolygon(
            canvas,
            ring(
              between(strokes, 12, 52),
              between(strokes, 12, 52),
              radius,
              radius * between(strokes, 0.6, 1.3),
              integer(strokes, 4, 7),
              strokes.uniform(),
            ),
            anyColour(strokes, 0.25, 0.85),
            0.75,
          );
        }
        const river = mix(sea, [0.3, 0.6, 0.9], 0.5);
        if (chance(strokes, 0.75)) {
          const points = [between(strokes, 0, 64), -2];
          for (let knot = 1; knot <= 4; knot++)
            points.push(points[0]! + between(strokes, -14, 14), knot * 17 - 2);
          strokeLine(
            canvas,
            chance(strokes, 0.5)
              ? points
              : points.map((_, index) => points[index % 2 === 0 ? index + 1 : index - 1]!),
            between(strokes, 2.4, 5),
            river,
          );
        }
        const road = contrasting(strokes, land);
        const roads = town ? integer(strokes, 3, 5) : integer(strokes, 1, 3);
        for (let line = 0; line < roads; line++) {
          const across = line % 2 === 0;
          const at = between(strokes, 4, 60);
          const bend = between(strokes, -12, 12);
          const points = across
            ? [-2, at, 32, at + bend, 66, at + bend * between(strokes, 0, 2)]
            : [at, -2, at + bend, 32, at + bend * between(strokes, 0, 2), 66];
          const ink =
            style === 'metro map' ? anyColour(strokes, 0.25, 0.65) : line < 2 ? road : mix(road, land, 0.4);
          strokeLine(canvas, points, between(strokes, 2.4, 4.2), ink);
          if (style === 'metro map') fillEllipse(canvas, points[2]!, points[3]!, 2.8, 2.8, [1, 1, 1]);
        }
        const places = integer(strokes, 1, 3);
        for (let dot = 0; dot < places; dot++) {
          const x = between(strokes, 14, 50);
          const y = between(strokes, 14, 50);
          fillEllipse(canvas, x, y, 3, 3, lighten(road, -0.3));
          fillEllipse(canvas, x, y, 1.7, 1.7, anyColour(strokes, 0.4, 0.9));
        }
        if (chance(strokes, 0.55)) {
          const paper = chance(strokes, 0.5) ? anyColour(strokes, 0.85, 0.97) : anyColour(strokes, 0.08, 0.3);
          const x = pick(strokes, [3, 39]);
          const y = pick(strokes, [3, 46]);
          fillRectangle(canvas, x, y, 22, 15, paper);
          for (let row = 0; row < 2; row++) {
            fillRectangle(canvas, x + 2.5, y + 2.5 + row * 5.8, 4, 4, anyColour(strokes, 0.25, 0.7));
            fillRectangle(
              canvas,
              x + 9,
              y + 3.2 + row * 5.8,
              between(strokes, 6, 11),
              2.6,
              contrasting(strokes, paper),
            );
          }
        } else if (chance(strokes, 0.6)) {
          const x = pick(strokes, [11, 53]);
          const y = pick(strokes, [11, 53]);
          fillEllipse(canvas, x, y, 9, 9, lighten(land, 0.5), 0.8);
          fillPolygon(canvas, star(x, y, 9, 2.8, 4), anyColour(strokes, 0.1, 0.4));
        }
        if (chance(strokes, 0.35)) {
          const frame = contrasting(strokes, sea);
          for (const [x, y, width, height] of [
            [0, 0, 64, 2.6],
            [0, 61.4, 64, 2.6],
            [0, 0, 2.6, 64],
            [61.4, 0, 2.6, 64],
          ] as const)
            fillRectangle(canvas, x, y, width, height, frame);
        }
      },
    };
  },
};
