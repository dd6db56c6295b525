import { dot, floatTensor, gatherBatch } from '../math/index.ts';
import { openSession, type Session } from '../runtime/index.ts';
import { between, boundOfRank, type Candidates } from './candidates.ts';
import { codeProducts, floatProducts, type Products } from './products.ts';
import { checkQueries } from './queries.ts';
import { compareExactly, nearestFirst } from './rescore.ts';
import { scan } from './scan.ts';
import type { Found, VectorRows, VectorSearch } from './types.ts';

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
/** Room for candidates whose similarity is known in 8 bits only: a hundred may lie within what that leaves open. */
const codedRoom = 512;

/**
 * Exact nearest neighbours: every query against every row.
 *
 * The engine gives the products of a block, in 8 bits where the rows are kept so, in float32 else, and the largest of
 * each query (MatMul + TopK). Their candidates are compared again in float64, from the most promising one on, until
 * every row left out is provably less similar, given the rounding; where that cannot be shown, more candidates are taken.
 * So the answer does not depend on blocks, threads, codes or the order of the engine's additions, but for thousands of
 * rows that all but equal each other.
 */
export async function openExactSearch(rows: VectorRows, options: ExactOptions = {}): Promise<VectorSearch> {
  const { count, dimension } = rows;
  const sessions = new Map<string, Promise<Session>>();
  const float = floatProducts(rows);
  const coded = rows.coded && codeProducts(rows.coded, dimension);
  const sessionOf = (products: Products, take: number) => {
    const key = `${products === coded} ${take}`;
    const known = sessions.get(key);
    if (known) return known;
    const opening = openSession(products.model(take), { provider: 'cpu', ...options });
    sessions.set(key, opening);
    return opening;
  };
  return {
    count,
    dimension,
    async search(queries, k, { signal, onProgress } = {}) {
      const total = checkQueries(queries, dimension, k);
      const want = Math.min(k, count);
      const found: Found[][] = Array.from({ length: total }, () => []);
      if (want === 0) return found;
      const all = floatTensor([total, dimension], queries);
      const attempts = attemptsFor(count, want, float, coded);
      const passes = Math.ceil(total / queriesPerPass);
      for (let pass = 0; pass < passes; pass++) {
        const from = pass * queriesPerPass;
        let open = Array.from({ length: Math.min(queriesPerPass, total - from) }, (_, i) => from + i);
        for (const [attempt, { products, take, room }] of attempts.entries()) {
          if (open.length === 0) break;
          const part = gatherBatch(all, open);
          const candidates = await scan(part, {
            products,
            sessionOf: (taken) => sessionOf(products, taken),
            take,
            room,
            signal,
            // What is looked at again is no progress.
            onProgress: (share) => attempt === 0 && onProgress?.((pass + share) / passes),
          });
          const again: number[] = [];
          for (const [i, query] of open.entries()) {
            const row = part.data.subarray(i * dimension, (i + 1) * dimension);
            const { best, sure } = await settle(rows, row, candidates[i]!, want);
            if (sure || attempt === attempts.length - 1) found[query] = best;
            else again.push(query);
          }
          open = again;
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

/** One way to find candidates: rows of a block that come back, and rows of all blocks that are kept. */
interface Attempt {
  readonly products: Products;
  readonly take: number;
  readonly room: number;
}

/** What is tried in turn until an answer is sure; the last one counts as it is. */
function attemptsFor(count: number, want: number, float: Products, coded: Products | undefined): Attempt[] {
  const first = want + slack;
  const attempts: Attempt[] = [];
  // Two with codes: where those leave thousands of rows open, float32 is quicker than comparing them all.
  if (coded)
    for (const more of [1, 8])
      attempts.push({ products: coded, take: more * first, room: more * Math.max(codedRoom, 4 * first) });
  for (let take = first; ; take = Math.min(mostCandidates, 8 * take)) {
    attempts.push({ products: float, take, room: take });
    if (take >= Math.min(count, mostCandidates)) return attempts;
  }
}

/**
 * The `want` most similar of the candidates, and whether no row left out can be among them: beside what a block's error says,
 * a float32 sum of d products errs by at most γ = (d + 1)·2⁻²⁴ of the two lengths (Higham 2002, eq. 3.5; a little more
 * covers the two roundings of an 8-bit product), and rows are at most as long as they say, or as the longest candidate.
 */
async function settle(
  rows: VectorRows,
  query: Float32Array,
  candidates: Candidates,
  want: number,
): Promise<{ best: Found[]; sure: boolean }> {
  const rounding = (rows.dimension + 8) * 2 ** -24 * Math.sqrt(dot(query, query));
  let best: Found[] = [];
  let longest = rows.longest ?? 1;
  const compareBetween = async (least: number, below: number) => {
    const result = await compareExactly(rows, query, between(candidates, least, below));
    longest = Math.max(longest, result.longest);
    best = [...best, ...result.found].sort(nearestFirst).slice(0, want);
  };
  /** A row with a lower bound than this is less similar than all that are wanted. */
  const needed = () =>
    best.length < want ? Number.NEGATIVE_INFINITY : best[want - 1]!.similarity - rounding * longest;
  // The most promising ones say how little may be left open, and so which others need be looked at.
  const promising = boundOfRank(candidates, want);
  await compareBetween(promising, Number.POSITIVE_INFINITY);
  await compareBetween(needed(), promising);
  return { best, sure: candidates.leftOut < needed() };
}
