import { type Canvas, fillRectangle, type Paint } from './canvas.ts';

/** Capital letters and digits on a grid of 5 × 7: five columns each, bit 0 at the top. */
const glyphs: Readonly<Record<string, string>> = {
  A: '7e1111117e',
  B: '7f49494936',
  C: '3e41414122',
  D: '7f4141221c',
  E: '7f49494941',
  F: '7f09090901',
  G: '3e4149497a',
  H: '7f0808087f',
  I: '00417f4100',
  J: '2040413f01',
  K: '7f08142241',
  L: '7f40404040',
  M: '7f020c027f',
  N: '7f0408107f',
  O: '3e4141413e',
  P: '7f09090906',
  Q: '3e4151215e',
  R: '7f09192946',
  S: '4649494931',
  T: '01017f0101',
  U: '3f4040403f',
  V: '1f2040201f',
  W: '3f4038403f',
  X: '6314081463',
  Y: '0708700807',
  Z: '6151494543',
  '0': '3e4141413e',
  '1': '00427f4000',
  '2': '4261514946',
  '3': '2141454b31',
  '4': '1814127f10',
  '5': '2745454539',
  '6': '3c4a494930',
  '7': '0171090503',
  '8': '3649494936',
  '9': '064949291e',
};

/** Width in cells of a text: six per letter less the last gap. */
export function textCells(text: string): number {
  return text.length * 6 - 1;
}

/**
 * Draws capital letters and digits (anything else is a blank) with their upper left corner at (x, y).
 * A letter is 5 × 7 cells of `cell` pixels; a cell of .8 pixels gives letters 5.6 pixels tall.
 */
export function drawText(
  canvas: Canvas,
  text: string,
  x: number,
  y: number,
  cell: number,
  paint: Paint,
  cellHeight = cell,
): void {
  for (let letter = 0; letter < text.length; letter++) {
    const columns = glyphs[text[letter]!];
    if (columns === undefined) continue;
    for (let column = 0; column < 5; column++) {
      const bits = Number.parseInt(columns.slice(column * 2, column * 2 + 2), 16);
      for (let row = 0; row < 7; row++) {
        if ((bits >> row) & 1) {
          fillRectangle(
            canvas,
            x + (letter * 6 + column) * cell,
            y + row * cellHeight,
            cell,
            cellHeight,
            paint,
          );
        }
      }
    }
  }
}

/** Draws a text centred on x, as large as `width` allows and at most `largest` pixels per cell. */
export function drawCentred(
  canvas: Canvas,
  text: string,
  centreX: number,
  y: number,
  width: number,
  largest: number,
  paint: Paint,
): number {
  const cell = Math.min(largest, width / textCells(text));
  drawText(canvas, text, centreX - (textCells(text) * cell) / 2, y, cell, paint);
  return cell * 7;
}
