import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../math/index.ts';
import { inset, plainDrawing, randomDrawing, randomPictures, render } from '../testing/drawings.ts';
import { noisePicture } from '../testing/pictures.ts';
import { identityTransform } from '../transform.ts';
import { agreementOf, bestPart, cellErrors, explainedShare, noiseVariance, regionOf } from './agreement.ts';
import { createBackground, localVariance, repeatedEvidence } from './background.ts';
import { compareCopies } from './find.ts';
import { cellCount, cellsAcross, workingPicture, workingSide } from './working.ts';

const unrelated = createBackground(randomPictures(40, 500).map(workingPicture));
const pictures = randomPictures(12, 0).map(workingPicture);
const plain = (level: number) =>
  workingPicture({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).fill(level) });

describe('agreementOf', () => {
  it('explains all of a picture by itself, and little of it by unrelated ones', () => {
    for (const [i, query] of pictures.entries()) {
      const background = unrelated.of(query);
      const self = agreementOf(query, background, query, identityTransform);
      // Cells of which unrelated pictures leave less than e − 1 times the noise do not count as explained.
      const faint = [...background].filter((error) => error < (Math.E - 1) * noiseVariance).length;
      expect(faint).toBeLessThan(4);
      expect(self.explained).toBeGreaterThan(0.98);
      expect(self.explained).toBeLessThanOrEqual(1 + 1e-12);
      for (const [j, other] of pictures.entries())
        if (j !== i)
          expect(agreementOf(query, background, other, identityTransform).explained).toBeLessThan(0.1);
    }
  });

  it('measures each cell by the logarithm of the errors’ ratio', () => {
    const query = pictures[0]!;
    const background = new Float64Array(cellCount).fill(0.05);
    const { cells } = agreementOf(query, background, query, identityTransform);
    for (const value of cells) expect(value).toBeCloseTo(Math.log(0.0504 / 0.0004), 9);
    const grey = { ...query, data: new Float32Array(query.data.length).fill(0.5) };
    const brighter = { ...query, data: new Float32Array(query.data.length).fill(0.7) };
    for (const value of agreementOf(grey, background, brighter, identityTransform).cells)
      expect(value).toBeCloseTo(Math.log(0.0504 / 0.0404), 6);
  });

  it('says nothing of cells that the training picture does not cover', () => {
    const query = pictures[1]!;
    // Two cells and a bit over to the right: the third column is covered by three quarters.
    const moved = { ...identityTransform, x: 9 / workingSide };
    const { cells, explained } = agreementOf(query, unrelated.of(query), query, moved);
    for (let cell = 0; cell < cellCount; cell++)
      expect(Number.isNaN(cells[cell]!)).toBe(cell % cellsAcross < 2);
    expect(explained).toBeGreaterThanOrEqual(0);
    // A cell of which half is covered counts; one with less does not.
    for (const [pixels, uncovered] of [
      [10, 2],
      [11, 3],
    ] as const) {
      const { cells: some } = agreementOf(query, unrelated.of(query), query, {
        ...identityTransform,
        x: pixels / workingSide,
      });
      for (let cell = 0; cell < cellCount; cell++)
        expect(Number.isNaN(some[cell]!)).toBe(cell % cellsAcross < uncovered);
    }
    const far = agreementOf(query, unrelated.of(query), query, { ...identityTransform, x: 2 });
    expect([...far.cells].every(Number.isNaN)).toBe(true);
    expect(far.explained).toBe(0);
  });

  it('never lets a plain picture be a copy, nor anything be a copy of one', () => {
    const levels = [0, 1, 128, 255];
    const onPlain = createBackground(levels.map(plain));
    for (const background of [unrelated, onPlain, createBackground([])])
      for (const level of levels) {
        const query = plain(level);
        for (const training of [...levels.map(plain), pictures[0]!]) {
          const { whole, part } = compareCopies(
            { picture: query, background: background.of(query) },
            training,
          );
          expect(whole!.explained).toBe(0);
          expect(part!.part.score).toBe(0);
          expect(whole!.cells.some(Number.isNaN)).toBe(false);
        }
        const { explained } = agreementOf(pictures[0]!, unrelated.of(pictures[0]!), query, identityTransform);
        expect(explained).toBeLessThan(0.1);
      }
  });

  it('does not take a small difference of brightness on a plain wall for evidence', () => {
    const query = workingPicture(render(plainDrawing([100, 110, 120])));
    const other = workingPicture(render(plainDrawing([104, 114, 124])));
    expect(agreementOf(query, unrelated.of(query), other, identityTransform).explained).toBe(0);
  });

  it('explains the part that two pictures share', () => {
    const shared = inset(randomDrawing(31), randomDrawing(30), [0.25, 0.5, 0.5, 0.5]);
    const query = workingPicture(render(shared));
    const agreement = agreementOf(
      query,
      unrelated.of(query),
      workingPicture(render(randomDrawing(30))),
      identityTransform,
    );
    expect(regionOf(bestPart(agreement.cells).cells)).toEqual({ share: 0.25, box: [0.25, 0.5, 0.5, 0.5] });
    // A quarter of the picture; its structure need not be a quarter of all.
    expect(agreement.explained).toBeGreaterThan(0.15);
    expect(agreement.explained).toBeLessThan(0.4);
  });
});

describe('cellErrors', () => {
  it('equals the mean squared error over each cell’s covered pixels', () => {
    const a = workingPicture(noisePicture(1, 32));
    const b = workingPicture(noisePicture(2, 32));
    const inside = Uint8Array.from({ length: workingSide ** 2 }, (_, i) => (i % 3 === 0 ? 0 : 1));
    const errors = cellErrors(a.data, b.data, inside);
    for (const [row, column] of [
      [0, 0],
      [3, 5],
      [7, 7],
    ] as const) {
      const squares: number[] = [];
      for (let y = 4 * row; y < 4 * row + 4; y++)
        for (let x = 4 * column; x < 4 * column + 4; x++)
          for (let c = 0; c < 3; c++) {
            const i = y * workingSide + x;
            if (inside[i] === 1) squares.push((a.data[3 * i + c]! - b.data[3 * i + c]!) ** 2);
          }
      expect(errors[row * 8 + column]).toBeCloseTo(squares.reduce((s, v) => s + v, 0) / squares.length, 9);
    }
  });
});

describe('explainedShare', () => {
  it('lies between 0 and 1 whatever the errors, and grows as they fall', () => {
    const variance = fc.double({ min: 0, max: 0.3, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(variance, variance), { minLength: cellCount, maxLength: cellCount }),
        (pairs) => {
          const background = Float64Array.from(pairs, ([a]) => a);
          const share = (factor: number) =>
            explainedShare(
              Float64Array.from(pairs, ([a, b]) =>
                Math.log((a + noiseVariance) / (b * factor + noiseVariance)),
              ),
              background,
            );
          expect(share(1)).toBeGreaterThanOrEqual(0);
          expect(share(0)).toBeLessThanOrEqual(1 + 1e-12);
          expect(share(0.5)).toBeGreaterThanOrEqual(share(1) - 1e-12);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('bestPart', () => {
  const cellsOf = (set: Record<number, number>) => {
    const cells = new Float64Array(cellCount).fill(-1);
    for (const [cell, value] of Object.entries(set)) cells[Number(cell)] = value;
    return cells;
  };

  it('takes the connected cells with most above the bar of one and a half nats', () => {
    // Three in a row (0.5 + 1 + 1.5 above) against one alone (2.9 above); diagonal neighbours do not connect.
    const { score, cells } = bestPart(cellsOf({ 9: 2, 10: 2.5, 11: 3, 20: 4.4, 63: 1.5 }));
    expect(score).toBeCloseTo(3 / 64, 12);
    expect([...cells.keys()].filter((cell) => cells[cell] === 1)).toEqual([9, 10, 11]);
    const alone = bestPart(cellsOf({ 9: 2, 10: 2.5, 20: 4.4 }));
    expect([...alone.cells.keys()].filter((cell) => alone.cells[cell] === 1)).toEqual([20]);
  });

  it('does not connect the end of a row to the next one', () => {
    const { cells } = bestPart(cellsOf({ 7: 3, 8: 4 }));
    expect([...cells.keys()].filter((cell) => cells[cell] === 1)).toEqual([8]);
    const below = bestPart(cellsOf({ 0: 3, 7: 3, 8: 3 })).cells;
    expect([...below.keys()].filter((cell) => below[cell] === 1)).toEqual([0, 8]);
  });

  it('finds nothing where nothing reaches the bar, and passes over what is not covered', () => {
    expect(bestPart(new Float64Array(cellCount).fill(1.5))).toEqual({
      score: 0,
      cells: new Uint8Array(cellCount),
    });
    expect(bestPart(new Float64Array(cellCount).fill(Number.NaN)).score).toBe(0);
    expect(regionOf(new Uint8Array(cellCount))).toBeUndefined();
  });
});

describe('regionOf', () => {
  it('gives share and smallest box', () => {
    const cells = new Uint8Array(cellCount);
    for (const cell of [17, 18, 26, 35]) cells[cell] = 1;
    // Columns 1 to 3, rows 2 to 4.
    expect(regionOf(cells)).toEqual({ share: 4 / 64, box: [1 / 8, 2 / 8, 3 / 8, 3 / 8] });
    expect(regionOf(new Uint8Array(cellCount).fill(1))).toEqual({ share: 1, box: [0, 0, 1, 1] });
  });
});

describe('createBackground', () => {
  it('is bounded by the picture’s own variance, and leaves a held-out query itself out', () => {
    const heldOut = randomPictures(40, 500).map(workingPicture);
    const background = createBackground(heldOut);
    const query = heldOut[3]!;
    const bound = localVariance(query.data);
    const values = background.of(query, 3);
    values.forEach((value, cell) => {
      expect(value).toBeLessThanOrEqual(bound[cell]!);
    });
    const without = createBackground(heldOut.filter((_, i) => i !== 3)).of(query);
    expect(values).toEqual(without);
  });

  it('is the lower quartile of the errors of the 32 held-out pictures that are nearest as a whole', () => {
    const heldOut = randomPictures(60, 800).map(workingPicture);
    const query = pictures[2]!;
    const apart = (a: Float32Array, b: Float32Array) => {
      // Nearness is taken over every second pixel of every second row.
      let sum = 0;
      for (let y = 0; y < workingSide; y += 2)
        for (let x = 0; x < workingSide; x += 2)
          for (let c = 0; c < 3; c++)
            sum += (a[(y * workingSide + x) * 3 + c]! - b[(y * workingSide + x) * 3 + c]!) ** 2;
      return sum;
    };
    const nearest = heldOut
      .map(({ data }) => ({ distance: apart(query.data, data), errors: cellErrors(query.data, data) }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 32);
    const bound = localVariance(query.data);
    createBackground(heldOut)
      .of(query)
      .forEach((value, cell) => {
        const errors = nearest.map(({ errors: all }) => all[cell]!).sort((a, b) => a - b);
        // A quarter of the 32 lie below the ninth.
        expect(value).toBe(Math.min(bound[cell]!, errors[8]!));
      });
  });

  it('is the variance alone without held-out pictures, in a window of three cells', () => {
    const query = workingPicture(noisePicture(5, 32));
    const values = createBackground([]).of(query);
    expect(values).toEqual(localVariance(query.data));
    // The cell in row 2, column 4: pixels 4 to 15 and 12 to 23.
    let total = 0;
    for (let c = 0; c < 3; c++) {
      const window: number[] = [];
      for (let y = 4; y < 16; y++)
        for (let x = 12; x < 24; x++) window.push(query.data[(y * 32 + x) * 3 + c]!);
      const mean = window.reduce((s, v) => s + v, 0) / window.length;
      total += window.reduce((s, v) => s + (v - mean) ** 2, 0) / window.length / 3;
    }
    expect(values[2 * 8 + 4]).toBeCloseTo(total, 9);
  });
});

describe('repeatedEvidence', () => {
  const drawn = (value: (x: number, y: number) => number) => {
    const data = new Float32Array(workingSide ** 2 * 3);
    for (let pixel = 0; pixel < workingSide ** 2; pixel++)
      data.fill(value(pixel % workingSide, Math.floor(pixel / workingSide)), pixel * 3, pixel * 3 + 3);
    return data;
  };
  const background = new Float64Array(cellCount).fill(0.05);
  const most = Math.log(0.05 / noiseVariance + 1);

  it('takes all from plain walls, straight edges and what repeats, and leaves corners theirs', () => {
    const corner = drawn((x, y) => (x >= 14 && y >= 14 ? 1 : 0));
    const repeated = repeatedEvidence(corner, background);
    // The corner lies in the cell of column and row 3; the edges run right and down from it.
    expect(repeated[3 * 8 + 3]!).toBeLessThan(0.1);
    for (const cell of [0, 3 * 8 + 6, 6 * 8 + 3, 6 * 8 + 6]) expect(repeated[cell]).toBeCloseTo(most, 9);
    // Columns of windows: the same a cell further down.
    const rows = repeatedEvidence(
      drawn((x) => x % 2),
      background,
    );
    for (const value of rows) expect(value).toBeCloseTo(most, 9);
  });

  it('takes nothing from noise', () => {
    const random = createRandom(5);
    const repeated = repeatedEvidence(
      drawn(() => random.uniform()),
      new Float64Array(cellCount).fill(0.03),
    );
    for (const value of repeated) expect(value).toBeLessThan(0.2);
  });
});
