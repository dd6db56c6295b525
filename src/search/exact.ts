import { VerbatimError } from '../errors.ts';
import { cast, createGraph, gemm, input, type Model, model, reduceSum, slice, topK } from '../graph/index.ts';
import { dot, floatTensor, gatherBatch, type Tensor } from '../math/index.ts';
import { openSession, type Session } from '../runtime/index.ts';
import { checkQueries } from './queries.ts';
import { compareExactly } from './rescore.ts';
import type { Found, VectorDType, VectorRows, VectorSearch } from './types.ts';

export interface ExactOptions {
  /** Threads of the matrix product; default: the number of cores. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Candidates beyond the k that are asked for: nearly always enough to be sure of those. */
const slack = 8;
/** Where more rows than this are equally similar but for rounding, those of the lowest positions seen are given. */
const mostCandidates = 4096;
/** Queries compared at once: their products with a block fit the cache, and the rest wait for another pass. */
const queriesPerPass = 512;

/**
 * Exact nearest neighbours: every query against every row.
 *
 * The engine gives the products of a block in float32 and the largest of each query (MatMul + TopK). Their
 * candidates are compared again in float64, and only where every row left out is provably less similar, given
 * float32's rounding, is that the answer; otherwise more candidates are taken. So the answer does not depend on
 * blocks, threads or the order of the engine's additions, but for thousands of rows that all but equal each other.
 */
export async function openExactSearch(rows: VectorRows, options: ExactOptions = {}): Promise<VectorSearch> {
  const { count, dimension } = rows;
  const sessions = new Map<number, Promise<Session>>();
  const sessionOf = (k: number) => {
    const known = sessions.get(k);
    if (known) return known;
    const opening = openSession(largestProducts(rows.dtype, dimension, k), { provider: 'cpu', ...options });
    sessions.set(k, opening);
    return opening;
  };
  const scan: Scan = { rows, sessionOf };
  return {
    count,
    dimension,
    async search(queries, k, { signal, onProgress } = {}) {
      const total = checkQueries(queries, dimension, k);
      const want = Math.min(k, count);
      const found: Found[][] = Array.from({ length: total }, () => []);
      if (want === 0) return found;
      const all = floatTensor([total, dimension], queries);
      const passes = Math.ceil(total / queriesPerPass);
      for (let pass = 0; pass < passes; pass++) {
        const from = pass * queriesPerPass;
        let open = Array.from({ length: Math.min(queriesPerPass, total - from) }, (_, i) => from + i);
        let reach = Math.min(count, want + slack);
        while (open.length > 0) {
          const part = gatherBatch(all, open);
          const candidates = await largest(scan, part, reach, signal, (share) => {
            // What is looked at again is no progress.
            if (reach === Math.min(count, want + slack)) onProgress?.((pass + share) / passes);
          });
          const again: number[] = [];
          for (const [i, query] of open.entries()) {
            const row = part.data.subarray(i * dimension, (i + 1) * dimension);
            const { best, sure } = await settle(rows, row, candidates[i]!, want);
            if (sure || reach >= Math.min(count, mostCandidates)) found[query] = best;
            else again.push(query);
          }
          open = again;
          reach = Math.min(count, mostCandidates, reach * 8);
        }
      }
      return found;
    },
    async close() {
      await Promise.all([...sessions.values()].map(async (session) => (await session).close()));
      await rows.close();
    },
  };
}

/** queries [n, d] · blockᵀ [d, rows] → the k largest of each query and where they stand; `check` is NaN when a row is. */
function largestProducts(dtype: VectorDType, dimension: number, k: number): Model {
  const graph = createGraph();
  const queries = input(graph, 'queries', 'float32', ['n', dimension]);
  const block = input(graph, 'block', dtype, ['rows', dimension]);
  const products = gemm(queries, cast(block, 'float32'), { transB: true });
  const { values, indices } = topK(products, k);
  const check = reduceSum(slice(products, { axis: 0, start: 0, end: 1 }));
  return model(graph, { values, indices, check });
}

interface Scan {
  readonly rows: VectorRows;
  readonly sessionOf: (k: number) => Promise<Session>;
}

/** Of each query the `reach` rows whose float32 products are largest, over all blocks, the best first. */
async function largest(
  { rows, sessionOf }: Scan,
  queries: Tensor<'float32'>,
  reach: number,
  signal: AbortSignal | undefined,
  onProgress: (share: number) => void,
): Promise<Candidates[]> {
  const blocks = Math.ceil(rows.count / rows.blockRows);
  const merged = Array.from(
    { length: queries.shape[0]! },
    (): Candidates => ({ products: new Float32Array(reach), positions: new Float64Array(reach), length: 0 }),
  );
  const held = new Set<Session>();
  let next = rows.block(0);
  for (let at = 0; at < blocks; at++) {
    signal?.throwIfAborted();
    const block = await next;
    const size = block.shape[0]!;
    const session = await sessionOf(Math.min(reach, size));
    if (!held.has(session)) await session.hold({ queries });
    held.add(session);
    const running = session.run({ block }, { lend: ['block'] });
    // The next block is read while this one is multiplied.
    if (at + 1 < blocks) {
      next = rows.block(at + 1);
      // Awaited in the next round, which a failure of this one never reaches.
      next.catch(() => {});
    }
    const result = await running;
    rows.giveBack(at, result['block']!);
    takeBlock(merged, result, at * rows.blockRows);
    onProgress((at + 1) / blocks);
  }
  return merged;
}

/** Sorted: the largest product first, equal ones by position. */
interface Candidates {
  readonly products: Float32Array;
  readonly positions: Float64Array;
  length: number;
}

function takeBlock(merged: readonly Candidates[], result: Record<string, Tensor>, first: number): void {
  const values = result['values']!.data as Float32Array;
  const indices = result['indices']!.data as BigInt64Array;
  const k = result['values']!.shape[1]!;
  if (!Number.isFinite((result['check']!.data as Float32Array)[0]!))
    throw new VerbatimError(
      `a vector among rows ${first} and following holds a value that is not a finite number; make the index again`,
    );
  for (const [q, best] of merged.entries()) {
    const reach = best.products.length;
    for (let i = 0; i < k; i++) {
      const product = values[q * k + i]!;
      // They come sorted: what does not enter the list ends the block.
      if (best.length === reach && product <= best.products[reach - 1]!) break;
      let at = best.length === reach ? reach - 1 : best.length++;
      for (; at > 0 && best.products[at - 1]! < product; at--) {
        best.products[at] = best.products[at - 1]!;
        best.positions[at] = best.positions[at - 1]!;
      }
      best.products[at] = product;
      best.positions[at] = first + Number(indices[q * k + i]);
    }
  }
}

/**
 * The `want` most similar of the candidates, and whether no row left out can be among them: a float32 sum of d
 * products errs by at most γ = (d + 1)·2⁻²⁴ of the two lengths (Higham 2002, eq. 3.5), and rows are at most
 * as long as 1 or the longest candidate.
 */
async function settle(
  rows: VectorRows,
  query: Float32Array,
  candidates: Candidates,
  want: number,
): Promise<{ best: Found[]; sure: boolean }> {
  const { found, longest } = await compareExactly(rows, query, [
    ...candidates.positions.subarray(0, candidates.length),
  ]);
  const best = found.slice(0, want);
  if (candidates.length === rows.count) return { best, sure: true };
  const length = Math.sqrt(dot(query, query)) * Math.max(1, longest);
  const error = (rows.dimension + 1) * 2 ** -24 * length;
  const leftOut = candidates.products[candidates.length - 1]! + error;
  return { best, sure: best.at(-1)!.similarity > leftOut };
}
