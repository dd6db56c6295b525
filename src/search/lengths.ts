import { VerbatimError } from '../errors.ts';
import { cast, createGraph, input, model, mul, reduceSum } from '../graph/index.ts';
import { openSession } from '../runtime/index.ts';
import type { SearchOptions, VectorRows } from './types.ts';

/**
 * The length of every row.
 *
 * @throws VerbatimError when one holds what is not a finite number
 */
export async function rowLengths(
  rows: VectorRows,
  options: SearchOptions & { readonly threads?: number | undefined } = {},
): Promise<Float32Array> {
  const { count, dimension, blockRows } = rows;
  const { signal, onProgress, threads } = options;
  const lengths = new Float32Array(count);
  if (count === 0) return lengths;
  const graph = createGraph();
  const values = cast(input(graph, 'block', rows.dtype, ['rows', dimension]), 'float32');
  const squares = reduceSum(mul(values, values), [1]);
  const session = await openSession(model(graph, { squares }), {
    provider: 'cpu',
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  });
  try {
    for (let at = 0; at * blockRows < count; at++) {
      signal?.throwIfAborted();
      const result = await session.run({ block: await rows.block(at) }, { lend: ['block'] });
      rows.giveBack(at, result['block']!);
      setLengths(lengths, at * blockRows, result['squares']!.data as Float32Array);
      onProgress?.(Math.min(1, ((at + 1) * blockRows) / count));
    }
  } finally {
    await session.close();
  }
  return lengths;
}

/** Roots of the sums of squares, from element `first` on; element 0 is row `from` of the collection. */
export function setLengths(lengths: Float32Array, first: number, squares: Float32Array, from = 0): void {
  squares.forEach((square, i) => {
    if (!Number.isFinite(square))
      throw new VerbatimError(
        `vector ${from + first + i} holds a value that is not a finite number, or one too large; make the index again`,
      );
    lengths[first + i] = Math.sqrt(square);
  });
}

/** No row is longer than this, whatever the rounding of the sums. */
export function longestOf(lengths: Float32Array, dimension: number): number {
  let longest = 0;
  for (const length of lengths) longest = Math.max(longest, length);
  return longest * (1 + (dimension + 8) * 2 ** -24);
}
