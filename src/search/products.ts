import {
  cast,
  createGraph,
  gemm,
  input,
  type Model,
  matmulInteger,
  model,
  mul,
  reduceSum,
  slice,
  topK,
  transpose,
} from '../graph/index.ts';
import type { Tensor } from '../math/index.ts';
import { encodeQueries, queryZero } from './codes.ts';
import type { CodedBlock, CodedRows, VectorRows } from './types.ts';

/** A block on its way through the engine. */
export interface FedBlock {
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** The feed that is lent to the engine, and comes back from it. */
  readonly lent: string;
  readonly size: number;
  /** By how much a row of this block may be more similar to a query than its product says, but for float32's rounding. */
  error(query: number): number;
  giveBack(lent: Tensor): void;
}

/** A way to multiply queries with the blocks of a collection. */
export interface Products {
  readonly count: number;
  readonly blockRows: number;
  /** A graph whose `values` and `indices` are the k largest products of each query; `check`, if any, is NaN when a row is. */
  model(k: number): Model;
  /** What a session holds while these queries are asked, and what a product's unit is in similarity. */
  ask(queries: Tensor<'float32'>): Asked;
}

export interface Asked {
  readonly held: Readonly<Record<string, Tensor>>;
  unit(query: number): number;
  block(at: number): Promise<FedBlock>;
}

/** queries [n, d] · blockᵀ [d, rows] in float32. */
export function floatProducts(rows: VectorRows): Products {
  const { dimension } = rows;
  return {
    count: rows.count,
    blockRows: rows.blockRows,
    model(k) {
      const graph = createGraph();
      const queries = input(graph, 'queries', 'float32', ['n', dimension]);
      const block = input(graph, 'block', rows.dtype, ['rows', dimension]);
      const products = gemm(queries, cast(block, 'float32'), { transB: true });
      const { values, indices } = topK(products, k);
      const check = reduceSum(slice(products, { axis: 0, start: 0, end: 1 }));
      return model(graph, { values, indices, check });
    },
    ask: (queries) => ({
      held: { queries },
      unit: () => 1,
      async block(at) {
        const block = await rows.block(at);
        return {
          feeds: { block },
          lent: 'block',
          size: block.shape[0]!,
          error: () => 0,
          giveBack: (lent) => rows.giveBack(at, lent),
        };
      },
    }),
  };
}

/**
 * The same with 8-bit codes. With q = q̂ + f and r = r̂ + e, where hats are what codes stand for, q · r = q̂ · r̂ +
 * f · r̂ + q · e: a product is off by at most |f|·(|r| + |e|) + |q|·|e| (Cauchy and Schwarz).
 */
export function codeProducts(rows: CodedRows, dimension: number): Products {
  return {
    count: rows.count,
    blockRows: rows.blockRows,
    model(k) {
      const graph = createGraph();
      const queries = input(graph, 'queries', 'uint8', ['n', dimension]);
      const codes = input(graph, 'codes', 'int8', ['rows', dimension]);
      const scales = input(graph, 'scales', 'float32', ['rows']);
      const sums = matmulInteger(queries, transpose(codes, [1, 0]), queryZero);
      return model(graph, { ...topK(mul(cast(sums, 'float32'), scales), k) });
    },
    ask(queries) {
      const { codes, scales, rests, lengths } = encodeQueries(queries.data, dimension);
      return {
        held: { queries: { dtype: 'uint8', shape: queries.shape, data: codes } },
        unit: (query) => scales[query]!,
        async block(at) {
          const block = await rows.block(at);
          const { longest, rest } = block;
          return {
            feeds: { codes: block.codes, scales: block.scales },
            lent: 'codes',
            size: block.codes.shape[0]!,
            error: (query) => rests[query]! * (longest + rest) + lengths[query]! * rest,
            giveBack: (lent) => rows.giveBack(at, { ...block, codes: lent as CodedBlock['codes'] }),
          };
        },
      };
    },
  };
}
