import type { PairPlan } from './pairs.ts';
import { openStore, type StoreOptions } from './rowStore.ts';
import { type Comparison, type Other, tileRows } from './tiles.ts';
import type { VectorRows } from './types.ts';
import type { Visits } from './visits.ts';

/** Products of a unit, but for a cell that has more: a second or two. */
const productsPerUnit = 2 ** 28;

/**
 * Every row against the rows of its own cell and of those that it visits. A pair can meet twice, when each row visits the other's cell:
 * then the cell with the lower number names it.
 */
export async function cellPlan(
  rows: VectorRows,
  visits: Visits,
  newFrom: number,
  options: StoreOptions,
): Promise<PairPlan> {
  const { order, starts, visitorStarts, visitors } = visits;
  const cells = starts.length - 1;
  const isNew = (slot: number) => order[slot]! >= newFrom;
  const visitorsOf = (cell: number) => visitors.subarray(visitorStarts[cell], visitorStarts[cell + 1]);
  /** Where the new rows of a cell begin: it holds rows by their position. */
  const newStart = (cell: number) => {
    let [low, high] = [starts[cell]!, starts[cell + 1]!];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isNew(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  let products = 0;
  let open = 0;
  const ends: number[] = [];
  for (let cell = 0; cell < cells; cell++) {
    const all = starts[cell + 1]! - starts[cell]!;
    const fresh = starts[cell + 1]! - newStart(cell);
    let cost = fresh * all;
    for (const slot of visitorsOf(cell)) cost += isNew(slot) ? all : fresh;
    products += cost;
    open += cost;
    if (open >= productsPerUnit || (open > 0 && cell === cells - 1)) {
      ends.push(cell + 1);
      open = 0;
    }
  }
  const store = await openStore(rows, order, options);
  return {
    units: ends.length,
    report: {
      method: 'cells',
      cells,
      describedRows: order.length,
      certifiedRows: order.reduce((sum, row) => sum + visits.certified[row]!, 0),
      visits: visitors.length,
      products,
    },
    async *comparisons(unit) {
      for (let cell = unit === 0 ? 0 : ends[unit - 1]!; cell < ends[unit]!; cell++) yield* ofCell(cell);
    },
    close: () => store.close(),
  };

  async function* ofCell(cell: number): AsyncGenerator<Comparison> {
    const [first, end] = [starts[cell]!, starts[cell + 1]!];
    const fresh = newStart(cell);
    const young = visitorsOf(cell).filter(isNew);
    const old = visitorsOf(cell).filter((slot) => !isNew(slot));
    if (fresh < end || young.length > 0)
      for (let from = first; from < end; from += tileRows) {
        const held = await store.range(from, Math.min(end, from + tileRows));
        yield { held, others: [...members(from, fresh, end), ...strangers(from, young, cell)] };
      }
    if (old.length > 0)
      for (let from = fresh; from < end; from += tileRows) {
        const held = await store.range(from, Math.min(end, from + tileRows));
        yield { held, others: strangers(from, old, cell) };
      }
  }

  /** New rows of a cell, for rows of it from slot `from` on: of two, the later one is the other. */
  function* members(from: number, fresh: number, end: number): Generator<Other> {
    for (let begin = fresh; begin < end; begin += tileRows) {
      const to = Math.min(end, begin + tileRows);
      if (to > from) yield { load: () => store.range(begin, to), keeps: (i, j) => begin + i > from + j };
    }
  }

  /** Visitors of a cell, for rows of it from slot `from` on. */
  function* strangers(from: number, slots: Uint32Array, cell: number): Generator<Other> {
    for (let begin = 0; begin < slots.length; begin += tileRows) {
      const part = slots.subarray(begin, begin + tileRows);
      yield {
        load: () => store.some(part),
        keeps(i, j) {
          const home = cellOf(part[i]!);
          return !(home < cell && visits.visits(from + j, home));
        },
      };
    }
  }

  function cellOf(slot: number): number {
    let [low, high] = [0, cells - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= slot) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
