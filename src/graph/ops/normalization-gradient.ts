import type { Backward } from '../registry.ts';
import { fail } from '../shapes.ts';
import type { Value } from '../value.ts';

export function instanceNormGradient({ node }: Backward): (Value | undefined)[] {
  fail(node, 'has no gradient rule');
}
export function groupNormGradient({ node }: Backward): (Value | undefined)[] {
  fail(node, 'has no gradient rule');
}
export function layerNormGradient({ node }: Backward): (Value | undefined)[] {
  fail(node, 'has no gradient rule');
}
export function batchNormGradient({ node }: Backward): (Value | undefined)[] {
  fail(node, 'has no gradient rule');
}
