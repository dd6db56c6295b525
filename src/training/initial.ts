import { createRandom, hashSeed } from '../math/index.ts';
import { initialValues, type Parameter } from '../models/index.ts';
import type { FlatLayout } from './flat.ts';

/**
 * Starting weights in a layout, one random stream per tensor name, so that a network's start does not
 * depend on what else is trained beside it. Tensors whose name matches `zero` start at zero: the last
 * layer of each residual branch, so that every block begins as the identity (Dhariwal & Nichol 2021).
 */
export function initialFlat(
  layout: FlatLayout,
  parameters: readonly Parameter[],
  options: { readonly seed: number; readonly zero?: RegExp },
): Float32Array {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const flat = new Float32Array(layout.length);
  for (const { name, offset } of layout.entries) {
    const parameter = byName.get(name);
    if (!parameter) throw new Error(`initialFlat: nothing says how "${name}" starts`);
    if (options.zero?.test(name)) continue;
    const random = createRandom(hashSeed(options.seed, 'weights', name));
    flat.set(
      initialValues(parameter, () => random.uniform()),
      offset,
    );
  }
  return flat;
}
