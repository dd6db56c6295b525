import type { Backward } from '../registry.ts';
import { fail } from '../shapes.ts';
import type { Value } from '../value.ts';

/** Gradients of a convolution by picture, weight and bias. */
export function convolutionGradient({ node }: Backward): (Value | undefined)[] {
  fail(node, 'has no gradient rule');
}

/** Gradients of a transposed convolution by picture, weight and bias. */
export function transposedConvolutionGradient({ node }: Backward): (Value | undefined)[] {
  fail(node, 'has no gradient rule');
}
