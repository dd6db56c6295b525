/**
 * Build, read, write and differentiate ONNX graphs. See docs/graph.md.
 *
 * @example
 * const graph = createGraph();
 * const x = input(graph, 'x', 'float32', ['batch', 3]);
 * const y = softmax(linear(x, constant(graph, weight, 'weight')), -1);
 * const finished = model(graph, { y });
 */
export * from './attributes.ts';
export {
  addNode,
  addOne,
  constant,
  constantVector,
  createGraph,
  deferredConstant,
  fileConstant,
  type GraphOptions,
  input,
  model,
  type NodeOptions,
  prune,
  scalar,
} from './build.ts';
export { gradients } from './gradients.ts';
export { knownContent, knownIntegers, knownNumbers } from './known.ts';
export { peakActivationBytes } from './memory.ts';
export * from './onnx/index.ts';
export * from './ops/activations.ts';
export * from './ops/arithmetic.ts';
export { multiHeadAttention } from './ops/attention.ts';
export { sumTo } from './ops/common.ts';
export * from './ops/constants.ts';
export * from './ops/contraction.ts';
export * from './ops/convolution.ts';
export * from './ops/einsum.ts';
export * from './ops/indexing.ts';
export * from './ops/logic.ts';
export * from './ops/normalization.ts';
export * from './ops/pieces.ts';
export * from './ops/pooling.ts';
export * from './ops/reduce.ts';
export * from './ops/resize.ts';
export * from './ops/shape.ts';
export * from './ops/softmax.ts';
export * from './ops/unary.ts';
export { formatShape } from './shapes.ts';
export { ENDING_OPS, GRADIENT_OPS, GRAPH_OPS } from './table.ts';
export type * from './value.ts';
