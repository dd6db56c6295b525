import { createGraph, gemm, input, type Model, model } from '../graph/index.ts';
import type { Tensor } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';

/** All inner products between a set of queries and one block after another. */
export interface Product {
  /** Sets the queries, [q, n]. */
  setQueries(queries: Tensor<'float32'>): Promise<void>;
  /** ⟨query, row⟩ for every query and every row of a block [b, n]: row-major [q, b]. */
  multiply(block: Tensor<'float32'>): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The ONNX graph: queries [q, n] · blockᵀ, block [b, n] → dots [q, b], float32. */
function productModel(values: number): Model {
  const graph = createGraph();
  const queries = input(graph, 'queries', 'float32', ['q', values]);
  const block = input(graph, 'block', 'float32', ['b', values]);
  const dots = gemm(queries, block, { transB: true });
  return model(graph, { dots });
}

/**
 * Opens the product on the CPU provider: the error bound of `nearestPictures` holds for float32 arithmetic,
 * and GPU providers may round products to fewer bits (TF32).
 */
export async function openProduct(
  values: number,
  options: { readonly threads?: number; readonly signal?: AbortSignal } = {},
): Promise<Product> {
  const session = await openSession(productModel(values), { provider: 'cpu', ...pick(options) });
  return {
    setQueries: (queries) => session.hold({ queries }),
    async multiply(block) {
      const { dots } = await session.run({ block });
      return dots!.data as Float32Array;
    },
    close: () => session.close(),
  };
}

function pick(options: { readonly threads?: number; readonly signal?: AbortSignal }) {
  return {
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}
