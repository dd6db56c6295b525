// Loading these files fills the table of operators.
import './ops/activations.ts';
import './ops/arithmetic.ts';
import './ops/attention.ts';
import './ops/constants.ts';
import './ops/contraction.ts';
import './ops/convolution.ts';
import './ops/einsum.ts';
import './ops/indexing.ts';
import './ops/logic.ts';
import './ops/normalization.ts';
import './ops/pieces.ts';
import './ops/pooling.ts';
import './ops/reduce.ts';
import './ops/resize.ts';
import './ops/shape.ts';
import './ops/softmax.ts';
import './ops/unary.ts';
import { differentiableOps, endingOps, knownOps } from './registry.ts';

/** Every operator that a graph may hold, sorted. Operators of ONNX Runtime's own carry their domain as a prefix. */
export const GRAPH_OPS: readonly string[] = knownOps();

/** The operators that `gradients` goes through, sorted. */
export const GRADIENT_OPS: readonly string[] = differentiableOps();

/** Operators with a derivative of zero, at which gradients end without an error, sorted: flags, indices, rounding. */
export const ENDING_OPS: readonly string[] = endingOps();
