import type { PairPlan } from './pairs.ts';
import { rowsInPlace } from './rowStore.ts';
import { type Comparison, type Other, tileRows } from './tiles.ts';
import type { VectorRows } from './types.ts';

/** Products of a unit, 2^28 and more: a second or two. */
const tilesPerUnit = 64;

/** Every row against every row before it; of rows that are not new only those against new ones. */
export function exhaustivePlan(rows: VectorRows, lengths: Float32Array, newFrom: number): PairPlan {
  const { count } = rows;
  const store = rowsInPlace(rows);
  const end = (tile: number) => Math.min(count, (tile + 1) * tileRows);
  // Tile t of new rows has t + 1 tiles that begin before it ends; a unit is a part of these.
  const units: { held: number; from: number; to: number }[] = [];
  for (let held = Math.floor(Math.min(newFrom, count) / tileRows); held * tileRows < count; held++)
    for (let from = 0; from <= held; from += tilesPerUnit)
      units.push({ held, from, to: Math.min(held + 1, from + tilesPerUnit) });
  const describedRows = lengths.reduce((sum, length) => sum + (length > 0 ? 1 : 0), 0);
  let products = 0;
  for (let row = newFrom; row < count; row++) products += row;
  return {
    units: units.length,
    report: {
      method: 'exhaustive',
      cells: 0,
      describedRows,
      certifiedRows: describedRows,
      visits: 0,
      products,
    },
    async *comparisons(unit): AsyncGenerator<Comparison> {
      const { held, from, to } = units[unit]!;
      const first = Math.max(newFrom, held * tileRows);
      const rowSet = await store.range(first, end(held));
      yield { held: rowSet, others: others(from, to, first) };
    },
    close: () => store.close(),
  };

  function* others(from: number, to: number, first: number): Generator<Other> {
    for (let tile = from; tile < to; tile++)
      yield {
        load: () => store.range(tile * tileRows, end(tile)),
        keeps: (i, j) => tile * tileRows + i < first + j,
      };
  }
}
