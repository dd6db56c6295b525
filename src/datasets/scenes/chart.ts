import { between, chance, integer, pick } from '../random.ts';
import { fill, fillEllipse, fillPolygon, fillRectangle, strokeLine } from './canvas.ts';
import { drawCentred } from './letters.ts';
import { anyColour, backdrop, contrasting, cosine, lighten, mix, sine } from './paints.ts';
import type { Scene } from './scene.ts';
import { placeName, shops, tags, topics, year } from './words.ts';

const forms = ['bar', 'line', 'pie', 'area'] as const;

/** A chart: bars, lines, a pie or stacked areas, with axes, title and legend blocks. */
export const chart: Scene = {
  name: 'chart',
  compose(random) {
    const form = pick(random, forms);
    const topic = pick(random, topics);
    const place = placeName(random);
    const from = year(random);
    return {
      caption(words) {
        const to = from + integer(words, 2, 30);
        switch (integer(words, 0, 4)) {
          case 0:
            return `${form} chart: ${topic} in ${place}, ${from}-${to}`;
          case 1:
            return `${place} ${topic} by sector ${from} (${form} chart) Source: ${pick(words, shops)} ${integer(words, 2, 99)}`;
          case 2:
            return `${topic} statistics ${place.toLowerCase()} ${form} graph ${pick(words, tags)} ${from} ${integer(words, 2, 999)}`;
          case 3:
            return `Figure ${integer(words, 1, 99)}. ${topic[0]!.toUpperCase()}${topic.slice(1)} of ${place} per ${pick(words, ['capita', 'household', 'month', 'year', 'region'])} (${from})`;
          default:
            return `Infographic ${form} chart ${topic} ${place} report ${from}/${to} page ${integer(words, 1, 240)}`;
        }
      },
      draw(strokes, canvas) {
        const paper = chance(strokes, 0.5) ? anyColour(strokes, 0.72, 0.97) : anyColour(strokes, 0.04, 0.5);
        fill(
          canvas,
          backdrop(strokes, lighten(paper, 0.1), mix(paper, anyColour(strokes), between(strokes, 0.15, 0.5))),
        );
        const ink = contrasting(strokes, paper);
        const panel = mix(paper, anyColour(strokes), 0.35);
        const top = chance(strokes, 0.6) ? between(strokes, 11, 15) : between(strokes, 4, 7);
        const left = between(strokes, 5, 11);
        const right = between(strokes, 52, 61);
        const bottom = between(strokes, 52, 60);
        if (top > 10) {
          if (chance(strokes, 0.5)) fillRectangle(canvas, 0, 0, 64, top - 1.5, lighten(panel, -0.3));
          if (topic.length <= 6)
            drawCentred(canvas, topic.toUpperCase(), between(strokes, 26, 38), 2, 50, 1.2, ink);
          else
            fillRectangle(
              canvas,
              between(strokes, 4, 18),
              3.5,
              between(strokes, 24, 42),
              4,
              mix(ink, paper, 0.25),
            );
        }
        const series = Array.from({ length: 6 }, () => anyColour(strokes, 0.25, 0.75));
        if (form === 'pie') {
          const x = between(strokes, 24, 40);
          const y = (top + bottom) / 2 + 1;
          const radius = Math.min((bottom - top) / 2 + 1, between(strokes, 17, 25));
          fillEllipse(canvas, x + 1.5, y + 2, radius, radius, [0, 0, 0], 0.3);
          const slices = integer(strokes, 3, 6);
          const weights = Array.from({ length: slices }, () => between(strokes, 0.4, 2));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          let at = strokes.uniform();
          weights.forEach((weight, index) => {
            const share = weight / total;
            const points = [x, y];
            const steps = Math.max(4, Math.ceil(share * 40));
            for (let step = 0; step <= steps; step++) {
              const angle = at + (share * step) / steps;
              points.push(x + radius * cosine(angle), y + radius * sine(angle));
            }
            fillPolygon(canvas, points, series[index]!);
            at += share;
          });
          if (chance(strokes, 0.4)) fillEllipse(canvas, x, y, radius * 0.5, radius * 0.5, paper);
        } else {
          if (chance(strokes, 0.6)) fillRectangle(canvas, left, top, right - left, bottom - top, panel);
          const tall = bottom - top - 3;
          if (form === 'bar') {
            const bars = integer(strokes, 3, 7);
            const step = (right - left - 2) / bars;
            const paint = chance(strokes, 0.5);
            const lying = chance(strokes, 0.3);
            const stack = chance(strokes, 0.4) ? between(strokes, 0.3, 0.7) : 0;
            for (let bar = 0; bar < bars; bar++) {
              const colour = paint ? series[0]! : series[bar % 6]!;
              const value = between(strokes, 0.15, 1);
              if (lying) {
                const height = (tall / bars) * 0.72;
                const y = top + 2 + (tall / bars) * bar;
                fillRectangle(canvas, left, y, (right - left - 2) * value, height, colour);
                fillRectangle(canvas, left, y, (right - left - 2) * value * stack, height, series[5]!);
              } else {
                const x = left + 2 + step * bar;
                fillRectangle(canvas, x, bottom - tall * value, step * 0.7, tall * value, colour);
                fillRectangle(
                  canvas,
                  x,
                  bottom - tall * value * stack,
                  step * 0.7,
                  tall * value * stack,
                  series[5]!,
                );
              }
            }
          } else {
            const lines = form === 'area' ? 2 : integer(strokes, 1, 3);
            for (let line = 0; line < lines; line++) {
              const points: number[] = [];
              const knots = integer(strokes, 4, 7);
              let value = between(strokes, 0.2, 0.85);
              for (let knot = 0; knot <= knots; knot++) {
                points.push(
                  left + 1 + ((right - left - 2) * knot) / knots,
                  bottom - 2 - tall * value * (form === 'area' && line === 1 ? 0.55 : 1),
                );
                value = Math.min(1, Math.max(0.08, value + between(strokes, -0.35, 0.35)));
              }
              if (form === 'area')
                fillPolygon(canvas, [left + 1, bottom, ...points, right - 1, bottom], series[line]!);
              else strokeLine(canvas, points, between(strokes, 2.8, 4.2), series[line]!);
            }
          }
          fillRectangle(canvas, left - 1, top, 2, bottom - top + 1, ink);
          fillRectangle(canvas, left - 1, bottom - 1, right - left + 1, 2, ink);
        }
      },
    };
  },
};
