import { createGraph, gemm, input, model, reduceMin } from '../graph/index.ts';
import { dot, floatTensor } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';

/** Rows that are multiplied at once. */
const rowsPerBlock = 2048;

/**
 * The least dot product of any two of many rows, [count, dimension], and every row with itself: how far apart the ends of a group are. The
 * engine's float32 products say which row has it, and that row's are computed again in float64.
 */
export async function leastSimilarity(
  rows: Float32Array,
  dimension: number,
  options: { readonly threads?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const count = rows.length / dimension;
  const { threads, signal } = options;
  const graph = createGraph();
  const a = input(graph, 'a', 'float32', ['n', dimension]);
  const b = input(graph, 'b', 'float32', ['m', dimension]);
  const session = await openSession(model(graph, { least: reduceMin(gemm(a, b, { transB: true }), [1]) }), {
    provider: 'cpu',
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  });
  const block = (from: number) => {
    const to = Math.min(count, from + rowsPerBlock);
    return floatTensor([to - from, dimension], rows.subarray(from * dimension, to * dimension));
  };
  let worst = 0;
  let least = Number.POSITIVE_INFINITY;
  try {
    for (let from = 0; from < count; from += rowsPerBlock) {
      await session.hold({ b: block(from) });
      // Each pair once: what lies before has met this block already.
      for (let other = 0; other <= from; other += rowsPerBlock) {
        signal?.throwIfAborted();
        const found = (await session.run({ a: block(other) }))['least']!.data as Float32Array;
        found.forEach((value, i) => {
          if (value >= least) return;
          least = value;
          worst = other + i;
        });
      }
    }
  } finally {
    await session.close();
  }
  const row = (at: number) => rows.subarray(at * dimension, (at + 1) * dimension);
  let exact = Number.POSITIVE_INFINITY;
  for (let at = 0; at < count; at++) exact = Math.min(exact, dot(row(worst), row(at)));
  return exact;
}
